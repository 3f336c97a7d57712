"""Pure: what the tenant would refuse, or take without effect, found before anything is sent."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from reconciler.core.desired import DesiredGrant
from reconciler.core.directory import Api, Directory
from reconciler.core.grant import USAGE_DENY, Key, ObservedGrant
from reconciler.core.problems import Problem, Severity
from reconciler.core.suggest import Suggestions
from reconciler.core.system_apis import MY_ORGANIZATION_SUFFIX

# Identifiers are addresses, mostly, and those of one company resemble each other.
CLOSENESS_OF_IDENTIFIERS = 0.9


def check(
    desired: Iterable[DesiredGrant],
    observed: Mapping[Key, ObservedGrant],
    directory: Directory,
) -> tuple[Problem, ...]:
    """Return a problem for all that the tenant would refuse, and a warning where it has the same already.

    Nothing is checked against a list that was not read.
    """
    guess = Suggestions()
    found = (_check(each, observed.get(each.key), directory, guess) for each in desired)
    return tuple(chain.from_iterable(found))


def _check(
    each: DesiredGrant,
    observed: ObservedGrant | None,
    directory: Directory,
    guess: Suggestions,
) -> list[Problem]:
    problems: list[Problem] = []
    if observed is None and directory.applications is not None:
        problems += _unknown_application(each, directory, guess)
    if directory.apis is None:
        return problems
    api = directory.apis_by_identifier.get(each.key.audience)
    if api is None:
        return [*problems, _unknown_api(each, observed, directory, guess)]
    if not each.grant.scope <= api.scopes_for(each.key):
        problems += _undefined_scopes(each, observed, api, guess)
    if api.is_system:
        problems += _refused_on_system_apis(each, observed, api)
    return problems


def _unknown_application(each: DesiredGrant, directory: Directory, guess: Suggestions) -> Iterator[Problem]:
    client_id = each.key.client_id
    if client_id is not None and client_id not in directory.applications_by_id:
        fix = guess(client_id, directory.applications_by_id) or "create the application first"
        what = f'the tenant has no application with id "{client_id}"'
        yield Problem(each.spec.source_of("client_id"), what, fix, is_missing=True)


def _unknown_api(
    each: DesiredGrant,
    observed: ObservedGrant | None,
    directory: Directory,
    guess: Suggestions,
) -> Problem:
    audience = each.key.audience
    fix = guess(audience, directory.apis_by_identifier, CLOSENESS_OF_IDENTIFIERS) or "create the API first"
    what = f'the tenant has no API with identifier "{audience}"'
    there = observed is not None
    return Problem(each.spec.source_of("audience"), what, fix, _severity(already_there=there), is_missing=not there)


def _undefined_scopes(
    each: DesiredGrant,
    observed: ObservedGrant | None,
    api: Api,
    guess: Suggestions,
) -> Iterator[Problem]:
    """Yield a problem per undefined scope; a warning where the tenant has it, or had it when a snapshot was taken.

    Only Auth0's own APIs refuse such scopes; on others they are of no use, but they can be given back.
    """
    defined = api.scopes_for(each.key)
    there = observed.grant.scope if observed else frozenset()
    for scope, place in each.spec.placed_scopes():
        if scope not in defined:
            fix = guess(scope, defined) or "define it on the API first, or leave it out"
            what = f'the API "{api.name}" defines no scope "{scope}"'
            was_there = scope in there or (each.spec.is_snapshot and not api.is_system)
            yield Problem(place, what, fix, _severity(already_there=was_there))


def _refused_on_system_apis(each: DesiredGrant, observed: ObservedGrant | None, api: Api) -> Iterator[Problem]:
    refused = {
        "allow_all_scopes": each.grant.allow_all_scopes,
        "default_for": each.key.default_for is not None,
    }
    if not api.identifier.endswith(MY_ORGANIZATION_SUFFIX):
        refused["organization_usage"] = each.grant.organization_usage != USAGE_DENY
        refused["allow_any_organization"] = each.grant.allow_any_organization
        refused["organizations"] = bool(each.grant.organizations)
    there = observed is not None and observed.grant == each.grant
    for field, said in refused.items():
        if said:
            what = f'Auth0 refuses {field} on its own API "{api.name}"'
            yield Problem(each.spec.source_of(field), what, "leave it out", _severity(already_there=there))


def _severity(*, already_there: bool) -> Severity:
    return Severity.WARNING if already_there else Severity.ERROR
