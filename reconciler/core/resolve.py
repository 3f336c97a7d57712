"""Pure: resolve grant specs for a tenant. Names are replaced by ids. An unknown name is a problem at its line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from reconciler.core.directory import Directory
from reconciler.core.fields import SETTINGS, FieldKind
from reconciler.core.grant import EMPTY_SET, ClientGrant, Key, shared_set
from reconciler.core.problems import Problem, Source
from reconciler.core.spec import GrantSpec
from reconciler.core.suggest import Suggestions


class DesiredGrant(NamedTuple):
    """A client grant that the tenant should have, and its spec. The class is a tuple for speed."""

    grant: ClientGrant
    spec: GrantSpec

    @property
    def key(self) -> Key:
        """The key of the grant."""
        return self.grant.key


def resolve(
    specs: Iterable[GrantSpec],
    directory: Directory,
) -> tuple[tuple[DesiredGrant, ...], tuple[Problem, ...]]:
    """Resolve specs for a tenant.

    Return the desired grants in the order of the specs, and the problems. A problem is an unknown name, an ambiguous
    name, or a grant that two specs declare.
    """
    problems: list[Problem] = []
    suggest = Suggestions()
    desired: dict[Key, DesiredGrant] = {}
    for spec in specs:
        match _resolve_spec(spec, directory, suggest):
            case DesiredGrant() as each:
                first = desired.setdefault(each.key, each)
                if first.spec is not spec:
                    problems.append(duplicate_problem(spec, first.spec))
            case found:
                problems.extend(found)
    return tuple(desired.values()), tuple(problems)


def duplicate_problem(spec: GrantSpec, first: GrantSpec) -> Problem:
    """Return the problem of a spec with the same key as the spec `first`."""
    return Problem(spec.source, f"this grant is already declared at {first.source}", "remove one of the two")


def _resolve_spec(spec: GrantSpec, directory: Directory, suggest: Suggestions) -> DesiredGrant | list[Problem]:
    key = _key(spec, directory, suggest)
    if not spec.organizations:
        return DesiredGrant(_grant(spec, key, EMPTY_SET), spec) if isinstance(key, Key) else key
    organizations = [
        _organization(*with_source, directory, suggest) for with_source in spec.organizations_with_sources()
    ]
    problems = [each for each in organizations if isinstance(each, Problem)]
    if isinstance(key, Key) and not problems:
        return DesiredGrant(_grant(spec, key, frozenset(each for each in organizations if isinstance(each, str))), spec)
    return problems if isinstance(key, Key) else key + problems


def _key(spec: GrantSpec, directory: Directory, suggest: Suggestions) -> Key | list[Problem]:
    client_id: str | Problem | None = spec.client_id
    if spec.client is not None:
        client_id = _resolve_name(spec, "client", directory.client_ids_by_name, suggest)
    audience: str | Problem | None = spec.audience
    if spec.api is not None:
        audience = _resolve_name(spec, "api", directory.identifiers_by_name, suggest)
    if isinstance(audience, str) and not isinstance(client_id, Problem):
        return Key(client_id, audience, spec.subject_type, spec.default_for)
    return [each for each in (client_id, audience) if isinstance(each, Problem)]


def _resolve_name(
    spec: GrantSpec,
    field: Literal["client", "api"],
    by_name: Mapping[str, tuple[str, ...]],
    suggest: Suggestions,
) -> str | Problem:
    name: str = getattr(spec, field)
    identities = by_name.get(name, ())
    if len(identities) == 1:
        return identities[0]
    noun, identity = ("application", "client_id") if field == "client" else ("API", "audience")
    if not identities:
        fix = suggest(name, by_name) or f"create the {noun} first, or correct the name"
        return Problem(spec.source_of(field), f'the tenant has no {noun} named "{name}"', fix, is_missing=True)
    what = f'{len(identities)} {noun}s are named "{name}": {", ".join(identities)}'
    return Problem(spec.source_of(field), what, f"use {identity} instead")


def _organization(text: str, source: Source, directory: Directory, suggest: Suggestions) -> str | Problem:
    match directory.find_organizations(text):
        case (identity,):
            return identity
        case ():
            known = [*directory.organization_ids_by_name, *directory.organizations_by_id]
            fix = suggest(text, known) or "create the organization first, or correct the name"
            return Problem(source, f'the tenant has no organization "{text}"', fix, is_missing=True)
        case _:
            what = f'"{text}" is the id of one organization and the name of another'
            return Problem(source, what, "use the name of the first, or the id of the second")


def _grant(spec: GrantSpec, key: Key, organizations: frozenset[str]) -> ClientGrant:
    values = {each.name: getattr(spec, each.name) for each in SETTINGS}
    sets = {each.name: shared_set(values[each.name]) for each in SETTINGS if each.kind is FieldKind.SET}
    declared = None if spec.organizations is None else organizations
    return ClientGrant(key, organizations=declared, **{**values, **sets})


@dataclass(frozen=True, slots=True)
class ListedGrant:
    """A declared grant with the names and ids of its application and API. An unknown name or id is None."""

    spec: GrantSpec
    client: str | None
    client_id: str | None
    api: str | None
    audience: str | None

    @property
    def order(self) -> tuple[str, ...]:
        """The sort key of a list of grants."""
        texts = (self.client, self.client_id, self.spec.default_for, self.api, self.audience, self.spec.subject_type)
        return tuple(text or "" for text in texts)


def as_declared(spec: GrantSpec) -> ListedGrant:
    """Return a grant with the names and ids of its file."""
    return ListedGrant(spec, spec.client, spec.client_id, spec.api, spec.audience)


def as_resolved(desired: DesiredGrant, directory: Directory) -> ListedGrant:
    """Return a grant with the names and ids of the tenant."""
    key = desired.key
    return ListedGrant(desired.spec, directory.client_name(key), key.client_id, directory.api_name(key), key.audience)
