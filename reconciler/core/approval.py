"""Pure: compare a plan with the saved plan that a reviewer approved, and label unverified content of saved plans."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.core.config_rules import ConfigChange
from reconciler.core.directory import Api, Application, Directory, Organization
from reconciler.core.grant import ClientGrant, Key, ObservedGrant, as_far_as_told, by_key, widens
from reconciler.core.plan import (
    Blocked,
    Change,
    Create,
    Delete,
    Plan,
    Update,
    grant_before,
    grants_after,
    takes_access,
)
from reconciler.core.problems import Risk
from reconciler.core.quoting import quoted
from reconciler.core.resolve import DesiredGrant
from reconciler.core.risks import all_risks

UNVERIFIED = "unverified"
UNVERIFIED_NOTE = (
    "names, descriptions, sources, origins, notes, reasons, and counts of unchanged grants are unverified, because "
    "they come from this file. Ids, fields and risks are computed from the changes, which apply compares"
)


Deed = tuple[Key, ClientGrant | None, ClientGrant | None]
"""The key of a change, and the grant before and after it."""


@dataclass(frozen=True, slots=True)
class Deviations:
    """The differences between a plan and the approved plan.

    Attributes:
        unapproved: Planned changes whose grant before or after differs from every approved change.
        renamed: Approved changes that now show different names.
        riskier: Approved changes that now have more risks.
        done: Approved changes that the tenant already has.
        dropped: Approved changes that are no longer planned and that the tenant does not have.
        loses_narrowing: Whether a `done` or `dropped` change removes access while a planned change adds access.
    """

    unapproved: tuple[Change, ...]
    renamed: tuple[Change, ...]
    riskier: tuple[Change, ...]
    done: tuple[Change, ...]
    dropped: tuple[Change, ...]
    loses_narrowing: bool


def deviations(fresh: Plan, approved: Plan, observed: Iterable[ObservedGrant]) -> Deviations:
    """Return the differences between the plan `fresh` and the plan `approved`.

    `observed` are the current grants of the tenant.
    """
    approved_deeds, fresh_deeds = set(map(_deed, approved.changes)), set(map(_deed, fresh.changes))
    known = [change for change in fresh.changes if _deed(change) in approved_deeds]
    void = [change for change in approved.changes if _deed(change) not in fresh_deeds]
    tenant = by_key(observed)
    return Deviations(
        unapproved=tuple(change for change in fresh.changes if _deed(change) not in approved_deeds),
        renamed=tuple(change for change in known if not _are_names_approved(change, fresh, approved)),
        riskier=tuple(change for change in known if not _risks(change, fresh) <= _risks(change, approved)),
        done=tuple(change for change in void if _is_done(change, tenant)),
        dropped=tuple(change for change in void if not _is_done(change, tenant)),
        loses_narrowing=any(map(takes_access, void)) and any(map(_gives_access, fresh.changes)),
    )


def _deed(change: Change) -> Deed:
    return change.key, grant_before(change), grants_after(change)


def _is_done(change: Change, tenant: Mapping[Key, ObservedGrant]) -> bool:
    observed, after = tenant.get(change.key), grants_after(change)
    if observed is None or after is None:
        return observed is None and after is None
    return as_far_as_told(observed.grant, after) == after


def _gives_access(change: Change) -> bool:
    match change:
        case Create():
            return True
        case Update():
            return widens(change.before.grant, change.after.grant)
        case Delete():
            return False


def _risks(change: Change, plan: Plan) -> frozenset[Risk]:
    return frozenset(plan.risks.get(change.key, ()))


def _are_names_approved(change: Change, fresh: Plan, approved: Plan) -> bool:
    """Return whether both plans show the same names. A name that the approved plan does not show is not compared."""
    shown, now = _names(change, approved.directory), _names(change, fresh.directory)
    return all(now[identity] == name for identity, name in shown.items() if name is not None)


def _names(change: Change, directory: Directory) -> Mapping[tuple[str, str], str | None]:
    organizations = {
        each for grant in (grant_before(change), grants_after(change)) if grant for each in grant.organizations or ()
    }
    known = directory.organizations_by_id
    return {
        ("client", change.key.holder): directory.client_name(change.key),
        ("api", change.key.audience): directory.api_name(change.key),
        **{("organization", each): known[each].name if each in known else None for each in organizations},
    }


def as_unverified(plan: Plan) -> Plan:
    """Label the content of a saved plan that cannot be verified.

    Anybody can write such a file. Risks are computed again from the changes. Risks that only the file contains are
    labelled as unverified.
    """
    blocked = tuple(Blocked(_marked(each.change), _mark(each.reason)) for each in plan.blocked)
    changes = tuple(map(_marked, plan.changes))
    known = (*changes, *(each.change for each in blocked))
    found = {
        key: tuple(risk for risk in risks if risk.is_known)
        for key, risks in all_risks(known, lambda _: False, Directory()).items()
    }
    return replace(
        plan,
        changes=changes,
        blocked=blocked,
        directory=_marked_names(plan.directory),
        notes=(UNVERIFIED_NOTE, *map(_mark, plan.notes)),
        config_changes=tuple(map(_marked_config, plan.config_changes)),
        risks={key: _all_risks(found.get(key, ()), plan.risks.get(key, ())) for key in {**found, **plan.risks}},
    )


def _mark(text: str) -> str:
    return f"{UNVERIFIED}: {text}"


def _marked_config(change: ConfigChange) -> ConfigChange:
    return replace(change, risk=replace(change.risk, message=_mark(change.risk.message)))


def _marked(change: Change) -> Change:
    if isinstance(change, Delete) or not change.after.spec.description:
        return change
    spec = change.after.spec._replace(description=_mark(change.after.spec.description))
    return replace(change, after=DesiredGrant(change.after.grant, spec))


def _all_risks(found: Iterable[Risk], said: Iterable[Risk]) -> tuple[Risk, ...]:
    """Return the computed risks and the risks that only the file contains, the highest first."""
    found = tuple(found)
    more = (replace(risk, message=f"{risk.message} ({UNVERIFIED})") for risk in said if risk not in found)
    return tuple(sorted((*found, *more), key=lambda risk: risk.level.order))


def _marked_names(directory: Directory) -> Directory:
    def name(identity: str, said: str) -> str:
        return f"{identity} ({UNVERIFIED}: {quoted(said)})"

    return Directory(
        tuple(Application(each.client_id, name(each.client_id, each.name)) for each in directory.applications or ()),
        tuple(Api(each.identifier, name(each.identifier, each.name)) for each in directory.apis or ()),
        associated=tuple(Organization(each.id, name(each.id, each.name)) for each in directory.associated),
    )
