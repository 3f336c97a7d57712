"""Read the grants in the files of auth0-deploy-cli, for one or several tenants.

A variable replaces a placeholder such as `##KEY##` if the variable gives the correct value for every tenant. The
variable `${domain}` replaces the tenant's domain if `${domain}` gives the correct value for every tenant. If no
variable gives the correct value for every tenant, the grant files contain a literal value for each tenant.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from reconciler.contract import stored
from reconciler.core.characters import join_some, quote_text
from reconciler.core.fields import BY_NAME, ORGANIZATIONS, SUBJECT_CLIENT, FieldKind
from reconciler.core.identity import AUTH0_HOSTS, identity_of
from reconciler.core.imports.shared_grants import Comments, FieldValue, NamedGrant
from reconciler.core.problems import Problem, Source
from reconciler.core.scope_sets import escape_scope
from reconciler.core.tenant_filter import escape_variables
from reconciler.files.schema import violations
from reconciler.foreign.deploy_applications import DeployApplications
from reconciler.foreign.deploy_files import SECTIONS, AlignedGrant, DeployFile, FileKind, ParsedFile
from reconciler.foreign.deploy_settings import MAPPINGS, DeployTenant, Exclusions
from reconciler.foreign.document import ForeignNode
from reconciler.foreign.grants import ForeignGrants, LeftOut, ProtectItem
from reconciler.foreign.keywords import SCOPE, Keyword, KeywordText, KeywordTexts

NO_CLIENT = "undefined_clientId"
"""The value of `client_id` that auth0-deploy-cli writes for a grant with `default_for`."""
SETTINGS = (
    *("subject_type", "scope", "allow_all_scopes", "organization_usage", "allow_any_organization"),
    "authorization_details_types",
)
IGNORED = frozenset({"id", "client_id", "audience", "default_for", "is_system", *SETTINGS})
MAX_ITEMS = 1_000_000


def read_deploy_cli(files: Sequence[DeployFile], tenants: Sequence[DeployTenant]) -> ForeignGrants:
    """Return the grants that `files` declare for each tenant in `tenants`."""
    parsed = [ParsedFile(file, tenants) for file in files]
    used = {keyword.key for each in parsed for keyword in each.keywords.keywords.values()}
    reader = _GrantReader(parsed, tenants, KeywordTexts(tenants, sorted(used)))
    reader.check_sections()
    by_tenant: dict[str, list[NamedGrant]] = {each.name: [] for each in tenants}
    sources: dict[tuple[str, tuple[str, ...]], Source] = {}
    problems = [problem for each in parsed for problem in (*each.problems, *each.misplaced())]
    for grant in (grant for each in parsed for grant in each.grants()):
        for tenant, named in reader.read(grant):
            first = sources.setdefault((tenant, named.identity), grant.source)
            if first is not grant.source:
                problems.append(_duplicate(named, grant.source, first))
            by_tenant[tenant].append(named)
    with_organizations = reader.with_organizations(by_tenant)
    return ForeignGrants(
        by_tenant=with_organizations,
        domains={each.name: each.domain for each in tenants if each.domain},
        variables=reader.texts.variables(),
        scope_sets=reader.texts.sets_of_tenants(),
        protect=reader.protect,
        left_out=reader.left_out,
        notes=tuple(dict.fromkeys(reader.notes())),
        problems=tuple(sorted({*problems, *reader.problems()})),
    )


def _duplicate(grant: NamedGrant, source: Source, first: Source) -> Problem:
    _, holder, _, api, subject = grant.identity
    what = f"the grant of {quote_text(holder)} for {quote_text(api)} ({subject}) is already declared at {first}"
    return Problem(source, what, "remove one of them")


class _GrantReader:
    """Converts grants in the files of auth0-deploy-cli to declarations in grant files.

    The class also collects the grants that are not imported, the placeholders without a value, and the variables.
    """

    def __init__(self, parsed: Sequence[ParsedFile], tenants: Sequence[DeployTenant], texts: KeywordTexts) -> None:
        self._parsed = parsed
        self._tenants = {each.name: each for each in tenants}
        self.texts = texts
        self._applications = {
            name: DeployApplications(node for file in parsed for node in file.items(FileKind.CLIENT, name))
            for name in self._tenants
        }
        self._exclusions = {each.name: Exclusions(each, self._applications[each.name]) for each in tenants}
        self._excluded = {name for name, each in self._exclusions.items() if each.setting_without_grants}
        self._grants_of: Counter[tuple[str, str]] = Counter()
        self._kept: set[tuple[str, str]] = set()
        self._wrong_tenants: dict[Problem, None] = {}
        self._missing: dict[str, tuple[Source, set[str]]] = {}
        self._items = 0
        self._left_out: dict[tuple[Source, str, str], list[str]] = {}
        self.protect: dict[str, list[ProtectItem]] = {
            name: list(each.protect()) for name, each in self._exclusions.items()
        }

    def read(self, grant: AlignedGrant) -> Iterator[tuple[str, NamedGrant]]:
        """Yield the name of each tenant that has the grant, with the fields of the grant for the tenant."""
        managed = {name: node for name, node in grant.nodes.items() if name not in self._excluded}
        fields = {name: each for name, node in managed.items() if (each := self._fields(grant, name, node))}
        texts = {name: dict(each) for name, each in fields.items()}
        for field in {field for each in fields.values() for field in each if BY_NAME[field].has_variables}:
            template = grant.template.get("client_id" if field == "client" else field) if grant.template else None
            values = {name: each[field] for name, each in fields.items() if field in each}
            for name, value in self.texts.choose(field, values, template, grant.keywords).items():
                texts[name][field] = value
        for name, written in texts.items():
            comments = _comments(grant, fields[name], written)
            ordered = {
                field: tuple(sorted(value)) if isinstance(value, tuple) else value for field, value in written.items()
            }
            yield name, NamedGrant(fields=ordered, above=grant.above, after=grant.after, comments=comments)

    def _fields(self, grant: AlignedGrant, tenant: str, node: ForeignNode) -> dict[str, FieldValue] | None:
        """Return the fields of a grant for one tenant, or None if reconciler does not import the grant."""
        if not isinstance(node.value, dict):
            if not self._record_missing(grant.keywords, grant.source, tenant, node.value):
                self._leave_out(grant, tenant, "a grant", "the grant is not a mapping")
            return None
        values = {name: self._plain(each) for name, each in node.value.items() if each.value is not None}
        label = _label(grant, node)
        if self._find_missing(grant, tenant, node, values):
            return None
        self._check_tenant(grant, tenant, values.get("audience"))
        for name in values.keys() - IGNORED:
            self._leave_out(grant, tenant, f"{name} of {label}", "grant files do not support this field")
        client = str(values.get("client_id", ""))
        if values.get("subject_type", SUBJECT_CLIENT) == SUBJECT_CLIENT:
            self._grants_of[tenant, client] += 1
        if values.get("is_system") is True:
            self._leave_out(grant, tenant, label, "Auth0 created this grant and does not allow changes")
            return None
        exclusions = self._exclusions[tenant]
        third_party_reason = exclusions.reason_of_third_party(client)
        if reason := exclusions.reason(client) or third_party_reason:
            self._leave_out(grant, tenant, label, reason)
            if third_party_reason:
                self._keep_third_party(tenant, client)
            return None
        holder = self._holder(tenant, values)
        found = {**holder, **{name: values[name] for name in ("audience", *SETTINGS) if name in values}}
        reason = _reason_not_expressible(found)
        if reason:
            self._leave_out(grant, tenant, label, reason)
            self._protect(tenant, found)
            return None
        return {name: value for name, value in found.items() if not _is_default(name, value)}

    def _plain(self, node: ForeignNode) -> Any:  # noqa: ANN401 - JSON data
        """Return the value of a field as plain Python data. A list becomes a tuple.

        The function replaces a mapping or a nested list with an empty mapping, so that the schema of grant files
        refuses the value.
        """
        if isinstance(node.value, list):
            self._items += len(node.value)
            if self._items > MAX_ITEMS:
                return None
            return tuple({} if isinstance(each.value, list | dict) else each.value for each in node.value)
        return {} if isinstance(node.value, dict) else node.value

    def _find_missing(self, grant: AlignedGrant, tenant: str, node: ForeignNode, values: Mapping[str, Any]) -> bool:
        """Record the placeholders in `values` that have no value for the tenant.

        Return whether `values` contains a placeholder without a value.
        """
        found = False
        for name, value in values.items():
            shown = (grant.template or node).get(name) or node
            source = Source(grant.source.file, *shown.mark)
            for text in value if isinstance(value, tuple) else (value,):
                found = self._record_missing(grant.keywords, source, tenant, text) or found
        return found

    def _record_missing(self, keywords: KeywordText, source: Source, tenant: str, text: object) -> bool:
        """Record the placeholders in `text` that have no value for the tenant.

        Return whether `text` contains a placeholder without a value.
        """
        parts = keywords.parts(text) if isinstance(text, str) else []
        missing = [part for part in parts if isinstance(part, Keyword)]
        for part in missing:
            self._missing.setdefault(part.key, (source, set()))[1].add(tenant)
        return bool(missing)

    def _check_tenant(self, grant: AlignedGrant, tenant: str, audience: object) -> None:
        """Report a problem if the grant is for the Management API of another tenant.

        A custom domain is not compared, because the identifier contains the domain that Auth0 assigned to the tenant.
        """
        domain = self._tenants[tenant].domain or ""
        host = identity_of(audience) if isinstance(audience, str) else None
        if host and host.endswith(AUTH0_HOSTS) and domain.endswith(AUTH0_HOSTS) and host != domain:
            what = f"this is the Management API of {host}, but the domain of {quote_text(tenant)} is {domain}"
            self._wrong_tenants.setdefault(Problem(grant.source, what, f"use the files for {domain}"))

    def check_sections(self) -> None:
        """Record placeholders without a value in place of a list, such as the list of grants."""
        for file in self._parsed:
            for tenant, kind in product(self._tenants, SECTIONS):
                section = file.section(kind, tenant)
                if section is not None and not self._tenants[tenant].setting_without(SECTIONS[kind]):
                    self._record_missing(file.keywords, Source(file.file.name, *section.mark), tenant, section.value)

    def _holder(self, tenant: str, values: Mapping[str, Any]) -> dict[str, Any]:
        client = values.get("client_id")
        if "default_for" in values and client in {None, NO_CLIENT, ""}:
            return {"default_for": values["default_for"]}
        default = {"default_for": values["default_for"]} if "default_for" in values else {}
        if client is None:
            return default
        named = self._applications[tenant].holder(client) if isinstance(client, str) else {"client": client}
        return named | default

    def _leave_out(self, grant: AlignedGrant, tenant: str, label: str, reason: str) -> None:
        tenants = self._left_out.setdefault((grant.source, label, reason), [])
        tenants += [tenant] if tenant else []

    def _protect(self, tenant: str, fields: Mapping[str, Any]) -> None:
        """Add the grant to the list `protect`, so that `--prune` does not delete the undeclared grant."""
        item = {name: fields[name] for name in ("client", "client_id", "audience") if isinstance(fields.get(name), str)}
        if item:
            self.protect[tenant].append(item | {"reason": "not imported from auth0-deploy-cli"})

    def _keep_third_party(self, tenant: str, client: str) -> None:
        if (tenant, client) not in self._kept:
            self._kept.add((tenant, client))
            holder = self._applications[tenant].holder(client)
            reason = "AUTH0_EXCLUDE_THIRD_PARTY_CLIENTS of auth0-deploy-cli"
            self.protect[tenant].append({**holder, "reason": reason})

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """The grants and values that reconciler does not import."""
        return tuple(LeftOut(*key, tuple(tenants)) for key, tenants in self._left_out.items())

    def problems(self) -> Iterator[Problem]:
        """Yield the problems: placeholders without a value, grants of another tenant, and too many scopes."""
        yield from self._wrong_tenants
        for key, (source, tenants) in self._missing.items():
            known = [self._tenants[name] for name in self._tenants if name in tenants]
            names = join_some([each.name for each in known if each.name])
            files = join_some(list(dict.fromkeys(each.file for each in known if each.file)))
            what = f"the keyword {quote_text(key)} has no value" + (f" for {names}" if names else "")
            fix = (
                f"add the keyword to {MAPPINGS} in {files}" if files else "write --mappings FILE=TENANT for each tenant"
            )
            yield Problem(source, what, fix)
        if self._items > MAX_ITEMS:
            yield Problem(
                Source(self._parsed[0].file.name), f"the files have more than {MAX_ITEMS:,} scopes", "split the files"
            )

    def with_organizations(self, by_tenant: Mapping[str, Sequence[NamedGrant]]) -> dict[str, list[NamedGrant]]:
        """Add to each grant the organizations that may use the grant, and return the grants.

        In the files of auth0-deploy-cli, an organization lists its applications in the field `client_grants`.
        """
        return {name: self._with_organizations(name, grants) for name, grants in by_tenant.items()}

    def _with_organizations(self, tenant: str, grants: Sequence[NamedGrant]) -> list[NamedGrant]:
        result = list(grants)
        by_holder: dict[str, list[int]] = defaultdict(list)
        for index, holder in enumerate(self.texts.fill(tenant, [grant.holder for grant in grants])):
            if grants[index].identity[-1] == SUBJECT_CLIENT:
                by_holder[holder].append(index)
        for client, (source, organizations) in self._organizations_of(tenant).items():
            texts = self._applications[tenant].texts(client)
            indexes = [index for text in sorted(texts) for index in by_holder.get(text, ())]
            declared = sum(self._grants_of[tenant, text] for text in texts)
            if declared > 1 or not indexes:
                reason = "the application has no grant in these files"
                if declared:
                    reason = "the import leaves out the grant of the application"
                if declared > 1:
                    reason = "the application has several grants, and the file does not select a grant"
                label = f"organizations {join_some(organizations)} of {client}"
                self._left_out.setdefault((source, label, reason), []).extend([tenant] if tenant else [])
                continue
            names = tuple(sorted(map(escape_variables, dict.fromkeys(organizations))))
            grant = result[indexes[0]]
            result[indexes[0]] = replace(grant, fields={**grant.fields, ORGANIZATIONS: names})
        return result

    def _organizations_of(self, tenant: str) -> dict[str, tuple[Source, list[str]]]:
        """Return the names of the organizations for each application, with the position of the first organization."""
        found: dict[str, tuple[Source, list[str]]] = {}
        if self._tenants[tenant].setting_without(SECTIONS[FileKind.ORGANIZATION]):
            return found
        for file in self._parsed:
            for node in file.items(FileKind.ORGANIZATION, tenant):
                name, listed = node.get("name"), node.get("client_grants")
                if listed:
                    self._record_missing(file.keywords, Source(file.file.name, *listed.mark), tenant, listed.value)
                for each in listed.items if listed and name and isinstance(name.value, str) else ():
                    holder = each.get("client_id")
                    if holder is None or not isinstance(holder.value, str) or name is None:
                        continue
                    source = Source(file.file.name, *each.mark)
                    texts = [str(name.value), holder.value]
                    if not any(self._record_missing(file.keywords, source, tenant, text) for text in texts):
                        found.setdefault(holder.value, (source, []))[1].append(str(name.value))
        return found

    def notes(self) -> Iterator[str]:
        """Yield notes for the user about settings."""
        for each in self._exclusions.values():
            yield from each.notes()


def _reason_not_expressible(fields: Mapping[str, Any]) -> str:
    """Return the reason why a grant file cannot declare a grant with the values `fields`, or an empty string."""
    if "scope" not in fields and fields.get("allow_all_scopes") is not True:
        return "without a scope, auth0-deploy-cli keeps the tenant's scopes, but a grant file declares all scopes"
    data = {
        name: [_escaped(name, each) for each in value] if isinstance(value, tuple) else _escaped(name, value)
        for name, value in fields.items()
    }
    schema = stored.load(stored.GRANTS)["properties"]["grants"]["items"]
    return "; ".join(dict.fromkeys(problem.what for problem in violations(data, schema, file="")))


def _escaped(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON data
    if not isinstance(value, str):
        return value
    return escape_scope(escape_variables(value)) if name == SCOPE else escape_variables(value)


def _is_default(name: str, value: object) -> bool:
    field = BY_NAME[name]
    if field.kind is FieldKind.SET:
        return not value
    return value == field.default and field.default is not None


def _label(grant: AlignedGrant, node: ForeignNode) -> str:
    """Return a label with the application and the API of a grant, as written in the file."""
    shown = grant.template or node
    names = [each.value for name in ("client_id", "default_for", "audience") if (each := shown.get(name))]
    texts = [str(each) for each in names if isinstance(each, str) and each != NO_CLIENT]
    return grant.keywords.restore(" -> ".join(texts)) or "a grant"


def _comments(
    grant: AlignedGrant, fields: Mapping[str, FieldValue], texts: Mapping[str, FieldValue]
) -> dict[tuple[str, str], Comments]:
    """Return the comments inside a grant, keyed by field name and list item.

    For a comment on a whole field, the list item is an empty string.
    """
    found: dict[tuple[str, str], Comments] = {}
    holder = next((name for name in ("client", "client_id", "default_for") if name in fields), "client")
    for (name, index), comments in grant.inner.items():
        target = holder if name == "client_id" else name
        value = texts.get(target)
        item = ""
        if index is not None and isinstance(value, tuple) and index < len(value):
            item = value[index]
        if target not in texts:
            target = holder
        known = found.get((target, item), Comments())
        trailing = ", ".join(filter(None, [known.trailing, comments.trailing]))
        found[target, item] = Comments((*known.above, *comments.above), trailing)
    return found
