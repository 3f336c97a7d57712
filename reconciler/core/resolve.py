"""Convert grant declarations to grants of a tenant, with ids instead of names.

An unknown name causes an error that shows the line of the name in the grant file.
"""

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Literal, NamedTuple

from reconciler.core.directory import Directory
from reconciler.core.fields import SETTINGS, FieldKind
from reconciler.core.grant import EMPTY_SET, ClientGrant, Key, shared_set
from reconciler.core.problems import Problem, Severity, Source
from reconciler.core.spec import GrantSpec
from reconciler.core.suggest import Suggestions


class DesiredGrant(NamedTuple):
    """A client grant that the tenant should have, and the declaration of the grant.

    The class is a tuple, because Python creates tuples faster than objects with attributes.
    """

    grant: ClientGrant
    spec: GrantSpec

    @property
    def key(self) -> Key:
        """The fields that identify the grant: application, API and subject type."""
        return self.grant.key


KnownParts = tuple[str | None, str | None, str, str | None]
"""The client id, the audience, the subject type and `default_for` of a declaration.

The client id or the audience may be UNKNOWN.
"""
UNKNOWN = ""
"""The client id or audience of a declaration whose application name or API name is unknown in the tenant."""


def resolve(
    specs: Iterable[GrantSpec],
    directory: Directory,
) -> tuple[tuple[DesiredGrant, ...], tuple[Problem, ...]]:
    """Convert grant declarations to grants of a tenant, with ids instead of names.

    Return the declared grants in the order of the declarations, and the problems. A problem is an unknown name, an
    ambiguous name, or a second declaration of a grant. The `Directory` object caches the converted grants, because a
    run converts each declaration several times.
    """
    problems: list[Problem] = []
    suggest = Suggestions()
    desired: dict[Key, DesiredGrant] = {}
    known = directory.resolved_specs
    for spec in specs:
        entry = known.get(id(spec))
        if entry is None:
            entry = known[id(spec)] = spec, _resolve_spec(spec, directory, suggest)
        match entry[1]:
            case DesiredGrant() as each:
                first = desired.setdefault(each.grant.key, each)
                if first.spec is not spec:
                    problems.append(duplicate_problem(spec, first.spec))
            case found:
                problems.extend(found)
    return tuple(desired.values()), tuple(problems)


def resolve_incomplete(
    specs: tuple[GrantSpec, ...], desired: tuple[DesiredGrant, ...], directory: Directory
) -> tuple[DesiredGrant, ...]:
    """Return the grants in `specs` that `desired` lacks, because a declared organization does not exist.

    The returned grants have no organizations.
    """
    if len(specs) == len(desired):
        return ()
    keys = {each.key for each in desired}
    found, _ = resolve([spec._replace(organizations=None) for spec in specs if spec.organizations], directory)
    return tuple(each for each in found if each.key not in keys)


def is_resolved(spec: GrantSpec, directory: Directory) -> bool:
    """Return whether `resolve` found the application, the API and the organizations of a declaration.

    `resolve` must have converted the declaration before.
    """
    return isinstance(directory.resolved_specs[id(spec)][1], DesiredGrant)


def known_parts(spec: GrantSpec, directory: Directory) -> Iterator[KnownParts]:
    """Yield the identifying fields of each grant that a declaration may declare.

    A name that the tenant does not have becomes UNKNOWN, because the application or API may have been renamed.
    """
    clients = directory.client_ids_by_name.get(spec.client, (UNKNOWN,)) if spec.client else (spec.client_id,)
    audiences = directory.identifiers_by_name.get(spec.api, (UNKNOWN,)) if spec.api else (spec.audience,)
    for client_id, audience in product(clients, audiences):
        yield client_id, audience, spec.subject_type, spec.default_for


def matching_parts(key: Key) -> tuple[KnownParts, ...]:
    """Return each combination of known fields and UNKNOWN that the grant with the identity `key` matches."""
    return tuple(
        (client_id, audience, key.subject_type, key.default_for)
        for client_id in (key.client_id, UNKNOWN)
        for audience in (key.audience, UNKNOWN)
    )


def duplicate_problem(spec: GrantSpec, first: GrantSpec) -> Problem:
    """Return the problem for a grant with two declarations: the first is `first`, and the second is `spec`."""
    return Problem(
        spec.source, f"this grant is already declared at {first.source}", "remove one of the two declarations"
    )


def _resolve_spec(spec: GrantSpec, directory: Directory, suggest: Suggestions) -> DesiredGrant | list[Problem]:
    key = _key(spec, directory, suggest)
    if not spec.organizations:
        return DesiredGrant(declared_grant(spec, key, EMPTY_SET), spec) if isinstance(key, Key) else key
    organizations = [
        _organization(*with_source, directory, suggest) for with_source in spec.organizations_with_sources()
    ]
    problems = [each for each in organizations if isinstance(each, Problem)]
    if isinstance(key, Key) and not problems:
        return DesiredGrant(
            declared_grant(spec, key, frozenset(each for each in organizations if isinstance(each, str))), spec
        )
    return problems if isinstance(key, Key) else key + problems


def _key(spec: GrantSpec, directory: Directory, suggest: Suggestions) -> Key | list[Problem]:
    client_id: str | Problem | None = spec.client_id
    if spec.client is not None:
        client_id = _resolve_name(spec, "client", directory, suggest)
    audience: str | Problem | None = spec.audience
    if spec.api is not None:
        audience = _resolve_name(spec, "api", directory, suggest)
    if isinstance(audience, str) and not isinstance(client_id, Problem):
        return Key(client_id, audience, spec.subject_type, spec.default_for)
    return [each for each in (client_id, audience) if isinstance(each, Problem)]


def _resolve_name(
    spec: GrantSpec, field: Literal["client", "api"], directory: Directory, suggest: Suggestions
) -> str | Problem:
    by_name = directory.client_ids_by_name if field == "client" else directory.identifiers_by_name
    name: str = getattr(spec, field)
    identities = by_name.get(name, ())
    if len(identities) == 1:
        return identities[0]
    noun, identity = ("application", "client_id") if field == "client" else ("API", "audience")
    if not identities:
        is_identity = name in (directory.applications_by_id if field == "client" else directory.apis_by_identifier)
        fix = suggest(name, by_name) or f"create the {noun} first, or correct the name"
        if is_identity:
            kind = "a client id" if field == "client" else "an identifier"
            fix = f"this is {kind}: use {identity} instead of {field}"
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
            return Problem(
                source,
                what,
                "for the organization with this id, write its name; for the organization with this name, write its id",
            )


def declared_grant(spec: GrantSpec, key: Key, organizations: frozenset[str]) -> ClientGrant:
    """Return the grant with the identity `key` and the settings of the declaration `spec`.

    Ignore the parameter `organizations` if the declaration has no field `organizations`.
    """
    settings = {name: getattr(spec, name) for name in SINGLE_VALUES}
    settings |= {name: shared_set(getattr(spec, name)) for name in SETS}
    declared = None if spec.organizations is None else organizations
    return ClientGrant(key, organizations=declared, **settings)


SETS = tuple(each.name for each in SETTINGS if each.kind is FieldKind.SET)
SINGLE_VALUES = tuple(each.name for each in SETTINGS if each.kind is not FieldKind.SET)
ID_FIELDS = ("client_id", "audience")
"""The fields of a declaration that contain the id of an application or an API."""


def skip_missing(
    desired: tuple[DesiredGrant, ...],
    problems: tuple[Problem, ...],
) -> tuple[tuple[DesiredGrant, ...], tuple[Problem, ...]]:
    """Remove the grants whose application, API or organization does not exist.

    Turn errors about a missing application, API or organization into warnings.
    """
    missing = {problem.source for problem in problems if problem.is_missing}
    there = tuple(each for each in desired if missing.isdisjoint(_reference_sources(each.spec)))
    return there, tuple(
        problem._replace(severity=Severity.WARNING) if problem.is_missing else problem for problem in problems
    )


def _reference_sources(spec: GrantSpec) -> set[Source]:
    """Return the positions of the ids and organizations in a declaration.

    A referenced application, API or organization might not exist in the tenant.
    """
    return {*map(spec.source_of, ID_FIELDS), *(source for _, source in spec.organizations_with_sources())}
