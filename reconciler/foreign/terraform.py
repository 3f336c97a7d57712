"""Read the grants in a Terraform state, as printed by `terraform show -json`.

For each resource `auth0_client_grant`, reconciler finds the resources of the application, the API and the
organizations. Terraform data sources are read like resources.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from reconciler.core.characters import join_some, quote_text, visible
from reconciler.core.directory import Api, Application, Directory, Organization
from reconciler.core.expressible import reason_not_expressible
from reconciler.core.fields import ORGANIZATIONS, SUBJECT_CLIENT, USAGE_DENY
from reconciler.core.grant import ClientGrant, Key
from reconciler.core.identity import AUTH0_HOSTS, identity_of, management_api_identifier
from reconciler.core.imports.selection import ImportFilter
from reconciler.core.imports.shared_grants import NamedGrant
from reconciler.core.problems import Problem, Source
from reconciler.core.tenant_filter import TargetTenant, escape_variables, insert_variables
from reconciler.files.write import named_grant
from reconciler.foreign.grants import ForeignGrants, LeftOut, ProtectItem

SHOW = "terraform show -json > state.json"
GRANT = "auth0_client_grant"
ASSOCIATION = "auth0_organization_client_grant"
MANAGED = "managed"
SCOPES = ("scopes", "scope")
"""The names of the attribute for scopes. Versions of the provider before 1.0 use `scope`."""
ATTRIBUTES = ("subject_type", "organization_usage", "allow_any_organization", "allow_all_scopes")
"""The attributes of a grant that old versions of the provider do not know."""
DEPOSED = "Terraform has replaced this object but not yet destroyed it; run terraform apply first"
MAX_LEVELS = 50
"""The maximum depth of nested modules in a Terraform state."""
INSTANCE_KEY = re.compile(r'\[(?:[0-9]+|"(?:[^"\\]|\\.)*")\]')
HCL = re.compile(r"^\s*(resource|data|module|provider|terraform|variable|locals)\b[^\n]*\{", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StateResource:
    """A resource or data source in a Terraform state."""

    address: str
    type: str
    is_managed: bool
    values: Mapping[str, Any]
    is_deposed: bool = False
    """True if Terraform has replaced the object but not yet destroyed it."""

    def text(self, name: str) -> str:
        """Return the attribute `name` if the attribute is a string, or an empty string for any other type."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> frozenset[str]:
        """Return the strings in the attribute `name` as a set, or an empty set if the attribute is not a list."""
        value = self.values.get(name)
        return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()


def wrong_document(text: str) -> str:
    """Return an error message for a Terraform configuration, or an empty string for any other file content."""
    return (
        f"is a Terraform configuration, which has references instead of values; run `{SHOW}` and import state.json"
        if HCL.search(text)
        else ""
    )


def read_terraform(
    document: object,
    file: str,
    tenant: TargetTenant,
    domain: str | None,
    choice: ImportFilter | None = None,
) -> ForeignGrants:
    """Return the grants in a Terraform state.

    `document` is the output of `terraform show -json`. `tenant` contains the variables of the tenant. `domain` is None
    if the tenant's domain is unknown. If the state belongs to another tenant, the result has a problem. `choice`
    selects the grants to import. A grant that is not imported stays in Terraform.
    """
    if problem := _unsuitable(document, file):
        return ForeignGrants(by_tenant={tenant.name: ()}, problems=(problem,))
    return _StateReader(document, file, tenant, domain).read(choice or ImportFilter())


def _unsuitable(document: object, file: str) -> Problem | None:
    """Return a problem if the document is not a Terraform state from `terraform show -json`."""
    match document:
        case {"planned_values": _} | {"resource_changes": _}:
            what = "this is a plan of Terraform, not a state"
        case {"terraform_version": _, "resources": _}:
            what = "this is a state file of Terraform, whose format may change"
        case {"format_version": str(), "values": {"root_module": dict()}}:
            return None
        case {"format_version": str(), "values": _}:
            what = "this state has no root module"
        case {"format_version": str()}:
            return None  # an empty state
        case _:
            what = "this is not the output of terraform show -json"
    return Problem(Source(file), what, f"run `{SHOW}` and import state.json")


class _StateReader:
    def __init__(self, document: Any, file: str, tenant: TargetTenant, domain: str | None) -> None:  # noqa: ANN401 - JSON
        root = document.get("values", {}).get("root_module", {})
        self._file = file
        self._tenant = tenant
        self._problems: list[Problem] = []
        self._left_out: list[LeftOut] = []
        self._protected: list[ProtectItem] = []
        self._by_type: dict[str, list[StateResource]] = defaultdict(list)
        for each in self._resources(root, 1):
            self._by_type[each.type].append(each)
        self._directory = self._read_directory()
        self._domain = domain or self._find_domain()
        self._values = dict(tenant.values) | ({"domain": self._domain} if self._domain else {})

    def read(self, choice: ImportFilter) -> ForeignGrants:
        """Return the grants in the Terraform state that `choice` selects."""
        self._check_tenant()
        organizations = self._organizations()
        grants: dict[Key, tuple[StateResource, NamedGrant]] = {}
        for each in self._by_type[GRANT]:
            if not each.is_managed:
                continue
            grant = _grant(each, frozenset(organizations.get(each.text("id"), ())))
            label = (
                f"{each.address}: {self._directory.client_label(grant.key)} -> {self._directory.api_label(grant.key)}"
            )
            if reason := self._reason_left_out(each, grant):
                self._leave_out(label, reason)
                self._protect(each)
            elif grant.key in grants:
                what = f"{each.address} declares the same grant as {grants[grant.key][0].address}"
                self._problems.append(
                    Problem(Source(self._file), what, "remove one of the two resources from the state")
                )
            else:
                grants[grant.key] = each, named_grant(grant, self._directory, self._convert)
        selected = [found for key, found in grants.items() if choice.matches(key, self._directory)]
        return ForeignGrants(
            by_tenant={self._tenant.name: [named for _, named in selected]},
            domains={self._tenant.name: self._domain} if self._domain else {},
            protect={self._tenant.name: self._protected},
            left_out=tuple(self._left_out),
            notes=tuple(self._notes(selected)),
            problems=tuple(self._problems),
            handover=tuple(self._handover([each for each, _ in selected])),
        )

    def _check_tenant(self) -> None:
        """Report a problem if the state belongs to another tenant, or to several tenants.

        A custom domain is not compared, because the state contains the domain that Auth0 assigned to the tenant.
        """
        found, domain = self._domains(), self._domain or ""
        if len(found) > 1:
            what = f"this state has resources of several tenants: {join_some(sorted(found))}"
            self._problems.append(Problem(Source(self._file), what, "use one state for each tenant"))
        elif domain.endswith(AUTH0_HOSTS) and found - {domain}:
            tenant = f"the domain of the tenant {quote_text(self._tenant.name)} is {domain}"
            what = f"this state is for {join_some(list(found))}, but {tenant}"
            self._problems.append(Problem(Source(self._file), what, f"use the state for {domain}"))

    def _organizations(self) -> Mapping[str, set[str]]:
        """Return the ids of the organizations that the state assigns to each grant, by the id of the grant.

        Leave out the assignments to grants that are not in the state.
        """
        known = {each.text("id") for each in self._by_type[GRANT]} - {""}
        found: dict[str, set[str]] = defaultdict(set)
        for each in self._by_type[ASSOCIATION]:
            grant, organization = each.text("grant_id"), each.text("organization_id")
            if each.is_deposed:
                self._leave_out(each.address, DEPOSED)
            elif grant in known and organization:
                found[grant].add(organization)
            else:
                self._leave_out(f"{each.address}: {organization} -> {grant}", "the grant is not in the state")
        return found

    def _protect(self, each: StateResource) -> None:
        """Add a grant that stays in Terraform to the list `protect`, so that `--prune` does not delete the grant."""
        item = {name: each.text(name) for name in ("client_id", "audience") if each.text(name)}
        if item and each.values.get("is_system") is not True:
            self._protected.append({**item, "reason": "not imported from Terraform"})

    def _leave_out(self, label: str, reason: str) -> None:
        self._left_out.append(LeftOut(Source(self._file), label, reason, self._names))

    def _notes(self, moved: Sequence[tuple[StateResource, NamedGrant]]) -> Iterator[str]:
        """Yield notes about imported values whose meaning differs, and about values that the state does not contain."""
        assigned = [each.address for each, named in moved if ORGANIZATIONS in named.fields]
        if assigned:
            yield (
                f"organizations: for {join_some(assigned)}, the import declares the organizations in the state. "
                "reconciler removes all other organizations from these grants, which Terraform does not. Check the "
                "plan, or remove the field organizations from the grant files"
            )
        absent = sorted({name for name in ATTRIBUTES for each, _ in moved if name not in each.values})
        if absent:
            yield (
                f"{self._file} was written by an old version of the provider, which does not know {join_some(absent)}. "
                "The grant files declare the default values. Check the plan"
            )

    @property
    def _names(self) -> tuple[str, ...]:
        return (self._tenant.name,) if self._tenant.name else ()

    def _convert(self, text: str) -> str:
        return insert_variables(text, self._values) if self._values else escape_variables(text)

    def _resources(self, module: Any, level: int) -> Iterator[StateResource]:  # noqa: ANN401 - JSON
        if level > MAX_LEVELS or not isinstance(module, dict):
            self._refuse_module()
            return
        for each in self._list(module, "resources"):
            match each:
                case {"address": str(address), "type": str(kind), "mode": mode, "values": dict(values)}:
                    is_deposed = "deposed_key" in each
                    if kind.startswith("auth0_") and (not is_deposed or kind in {GRANT, ASSOCIATION}):
                        yield StateResource(address, kind, mode == MANAGED, values, is_deposed)
                case {"address": str(), "type": str()}:
                    pass  # Terraform has not created the resource yet
                case _:
                    what = "a resource has no address or type"
                    self._problems.append(Problem(Source(self._file), what, f"create the file again with `{SHOW}`"))
        for child in self._list(module, "child_modules"):
            yield from self._resources(child, level + 1)

    def _list(self, module: Mapping[str, Any], name: str) -> list[Any]:
        """Return a list of a module, or an empty list if the module lacks the list.

        Report a problem if the value is not a list.
        """
        value = module.get(name)
        if value is not None and not isinstance(value, list):
            self._refuse_module()
        return value if isinstance(value, list) else []

    def _refuse_module(self) -> None:
        what = "a module is nested too deeply or is not valid"
        self._problems.append(Problem(Source(self._file), what, f"create the file again with `{SHOW}`"))

    def _read_directory(self) -> Directory:
        applications = {
            client_id: Application(client_id, each.text("name"))
            for each in self._by_type["auth0_client"]
            if (client_id := each.text("client_id") or each.text("id"))
        }
        apis = {
            identifier: Api(identifier, each.text("name"))
            for each in self._by_type["auth0_resource_server"]
            if (identifier := each.text("identifier"))
        }
        organizations = {
            identity: Organization(identity, each.text("name"))
            for each in self._by_type["auth0_organization"]
            if (identity := each.text("id"))
        }
        return Directory(tuple(applications.values()), tuple(apis.values()), tuple(organizations.values()))

    def _find_domain(self) -> str | None:
        """Return the domain of the tenant, or None if the domain is unknown.

        The domain of the tenant comes from `auth0_tenant` in the state, or from the identifier of the Management API.
        """
        found = self._named_domains() or self._domains()
        return next(iter(found)) if len(found) == 1 else None

    def _domains(self) -> set[str]:
        """Return the domains of all tenants that the state names. Leave out custom domains."""
        identifiers = (
            *(each.text("audience") for each in self._by_type[GRANT]),
            *(each.text("identifier") for each in self._by_type["auth0_resource_server"]),
        )
        found = self._named_domains().union(host for text in identifiers if (host := identity_of(text)))
        return {each for each in found if each.endswith(AUTH0_HOSTS)}

    def _named_domains(self) -> set[str]:
        names = (each.text("domain") for each in self._by_type["auth0_tenant"])
        return {host for name in names if (host := identity_of(management_api_identifier(name)))}

    def _reason_left_out(self, each: StateResource, grant: ClientGrant) -> str:
        if each.is_deposed:
            return DEPOSED
        if not grant.allow_all_scopes and not any(isinstance(each.values.get(name), list) for name in SCOPES):
            return "the state does not contain the scopes of the grant"
        if each.values.get("is_system") is True:
            return "Auth0 created this grant and does not allow changes"
        if grant.allow_all_scopes and grant.scope:
            return 'the grant has both "scopes" and "allow_all_scopes"'
        return reason_not_expressible(grant) or ""

    def _handover(self, moved: Sequence[StateResource]) -> Iterator[str]:
        """Yield instructions to remove the imported grants from the state without deleting the grants in Auth0."""
        if not moved:
            return
        ids = {each.text("id") for each in moved}
        associations = [each for each in self._by_type[ASSOCIATION] if each.is_managed and each.text("grant_id") in ids]
        gone = {visible(each.address) for each in (*moved, *associations)}
        stays = [each for kind in (GRANT, ASSOCIATION) for each in self._by_type[kind] if each.is_managed]
        partly = {without_keys(visible(each.address)) for each in stays if visible(each.address) not in gone}
        addresses = sorted(gone)
        blocks = sorted({visible(without_keys(each)) for each in addresses} - partly)
        commands = [each for each in addresses if without_keys(each) in partly]
        yield (
            "So that Terraform forgets the imported grants and does not delete them, replace the resource blocks of "
            "the grants with:"
        )
        yield from (f"removed {{\n  from = {each}\n  lifecycle {{\n    destroy = false\n  }}\n}}" for each in blocks)
        whole = [each for each in addresses if without_keys(each) not in partly]
        if whole:
            command = f"    terraform state rm {' '.join(map(quote, whole))}"
            older = "With an older version of Terraform, or instead of `removed` blocks, run:"
            yield f"`removed` blocks need Terraform 1.7. {older}\n{command}"
        if commands:
            command = f"    terraform state rm {' '.join(map(quote, commands))}"
            advice = "Before the next `terraform apply`, remove the imported instances from for_each or count, and run:"
            yield f"Some imported resources also have instances that were not imported. {advice}\n{command}"


def without_keys(address: str) -> str:
    """Remove instance keys from the address of a resource. A `removed` block of Terraform accepts no instance keys."""
    return INSTANCE_KEY.sub("", address)


def _grant(each: StateResource, organizations: frozenset[str]) -> ClientGrant:
    client_id, default_for = each.text("client_id") or None, each.text("default_for") or None
    holder = "" if client_id or default_for else f"unknown recipient of {quote_text(each.text('id'))}"
    key = Key(
        None if default_for else client_id,
        each.text("audience"),
        each.text("subject_type") or SUBJECT_CLIENT,
        default_for,
        holder,
    )
    return ClientGrant(
        key=key,
        scope=frozenset().union(*(each.texts(name) for name in SCOPES)),
        organization_usage=each.text("organization_usage") or USAGE_DENY,
        allow_any_organization=each.values.get("allow_any_organization") is True,
        authorization_details_types=each.texts("authorization_details_types"),
        allow_all_scopes=each.values.get("allow_all_scopes") is True,
        organizations=organizations or None,
    )
