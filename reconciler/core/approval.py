"""Compare a plan with the approved saved plan, and mark unverified texts in a saved plan."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from reconciler.core.characters import join_some, quote_text
from reconciler.core.directory import Api, Application, Directory, Organization
from reconciler.core.expiry import ExpiryChange, ends_later, expiry_text
from reconciler.core.grant import (
    ClientGrant,
    Key,
    ObservedGrant,
    index_by_key,
    widens,
    without_undeclared_organizations,
)
from reconciler.core.plan import (
    NO_FACTS,
    Blocked,
    Change,
    Create,
    Delete,
    GrantFacts,
    Plan,
    Update,
    grant_after,
    grant_before,
    removes_access,
)
from reconciler.core.problems import Risk
from reconciler.core.resolve import DesiredGrant
from reconciler.core.risks import find_all_risks

UNVERIFIED = "unverified"
UNVERIFIED_NOTE = (
    "names, descriptions, sources, commits, origins, notes, reasons, and counts of unchanged grants are unverified, "
    "because they come from this file. Ids, fields and risks come from the changes, and apply verifies the changes"
)


ChangeEffect = tuple[Key, ClientGrant | None, ClientGrant | None]
"""A change as a tuple: the grant's identity, the grant before the change, and the grant after the change."""


@dataclass(frozen=True, slots=True)
class Deviations:
    """The differences between a new plan and the approved plan."""

    unapproved: tuple[Change, ...]
    """The changes of the new plan that the approved plan does not contain."""
    renamed: tuple[Change, ...]
    """The approved changes with an application, API or organization that has been renamed since the approval."""
    riskier: tuple[Change, ...]
    """The approved changes that have more risks now than at the time of the approval."""
    changed_facts: tuple[tuple[Change, str], ...]
    """Each approved change whose application, API or expiry date has become riskier, with a description."""
    done: tuple[Change, ...]
    """The approved changes that need no request, because the tenant already contains the result of the change."""
    dropped: tuple[Change, ...]
    """The approved changes that the tenant still needs, but that the new plan does not contain."""
    loses_narrowing: bool
    """True if the new plan adds access but omits an approved removal of access."""
    extended: tuple[ExpiryChange, ...] = ()
    """The expiry dates of the new plan that are later than in the approved plan (only with `--base`)."""

    @property
    def omitted_removals(self) -> tuple[Change, ...]:
        """The approved removals of access that the new plan omits, although the tenant still gives the access."""
        return tuple(filter(removes_access, self.dropped))


def find_deviations(fresh: Plan, approved: Plan, observed: Iterable[ObservedGrant]) -> Deviations:
    """Compare the new plan `fresh` with the approved plan `approved`.

    `observed` contains the current grants of the tenant.
    """
    approved_effects, fresh_effects = (
        set(map(_change_effect, approved.changes)),
        set(map(_change_effect, fresh.changes)),
    )
    known = [change for change in fresh.changes if _change_effect(change) in approved_effects]
    no_longer_planned = [change for change in approved.changes if _change_effect(change) not in fresh_effects]
    tenant = index_by_key(observed)
    approved_by_key = {change.key: change for change in approved.changes}
    return Deviations(
        unapproved=tuple(change for change in fresh.changes if _change_effect(change) not in approved_effects),
        renamed=tuple(change for change in known if not _are_names_approved(change, fresh, approved)),
        riskier=tuple(change for change in known if not _risks(change, fresh) <= _risks(change, approved)),
        changed_facts=tuple(
            (change, what)
            for change in known
            if (
                what := _later_end(approved_by_key[change.key], change)
                or _worse_facts(approved.facts.get(change.key, NO_FACTS), fresh.facts.get(change.key, NO_FACTS))
            )
        ),
        done=tuple(change for change in no_longer_planned if _is_done(change, tenant)),
        dropped=tuple(change for change in no_longer_planned if not _is_done(change, tenant)),
        loses_narrowing=any(map(removes_access, no_longer_planned)) and any(map(_gives_access, fresh.changes)),
        extended=tuple(_extended(fresh, approved)),
    )


def _extended(fresh: Plan, approved: Plan) -> Iterator[ExpiryChange]:
    """Yield each expiry date in the new plan that is later than in the approved plan.

    If the approved plan does not show the expiry date of a grant, yield the expiry date if it is later than at the base
    revision.
    """
    shown = {change.key: change.after.spec.expires for change in approved.changes if not isinstance(change, Delete)}
    shown |= {each.key: each.after for each in approved.expiry_changes}
    return (each for each in fresh.expiry_changes if ends_later(each.after, shown.get(each.key, each.before)))


def _later_end(approved: Change, now: Change) -> str:
    """Return a message if the grant's expiry date is later than in the approved plan, or an empty string."""
    if isinstance(approved, Delete) or isinstance(now, Delete):
        return ""
    before, after = approved.after.spec.expires, now.after.spec.expires
    if not ends_later(after, before):
        return ""
    end = f"expires {expiry_text(after)}" if after else "no longer expires"
    return f"the grant {end}, but the approved plan shows {expiry_text(before)}"


def _worse_facts(approved: GrantFacts, now: GrantFacts) -> str:
    """Describe how the application and the API have become riskier since the approval.

    Return an empty string if the application and the API have not become riskier.
    """
    changes = []
    if approved.third_party is False and now.third_party:
        changes.append("the application now belongs to a third party")
    if approved.app_type and now.app_type != approved.app_type:
        changes.append(f"the type of the application was {approved.app_type} and is now {now.app_type or 'not known'}")
    if approved.api_scopes is not None and now.api_scopes is None:
        changes.append("the scopes of the API are no longer known")
    elif approved.api_scopes is not None and (new := (now.api_scopes or frozenset()) - approved.api_scopes):
        changes.append(f"the setting allow_all_scopes now also gives the scopes {join_some(sorted(new))}")
    return "; ".join(changes)


def _change_effect(change: Change) -> ChangeEffect:
    return change.key, grant_before(change), grant_after(change)


def _is_done(change: Change, tenant: Mapping[Key, ObservedGrant]) -> bool:
    observed, after = tenant.get(change.key), grant_after(change)
    if observed is None or after is None:
        return observed is None and after is None
    return without_undeclared_organizations(observed.grant, after) == after


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
    """Return whether the approved plan shows the same names of applications, APIs and organizations as the new plan.

    Ignore names that the approved plan does not contain.
    """
    shown, now = _names(change, approved.directory), _names(change, fresh.directory)
    return all(now[identity] == name for identity, name in shown.items() if name is not None)


def _names(change: Change, directory: Directory) -> Mapping[tuple[str, str], str | None]:
    organizations = {
        each for grant in (grant_before(change), grant_after(change)) if grant for each in grant.organizations or ()
    }
    known = directory.organizations_by_id
    return {
        ("client", change.key.holder): directory.client_name(change.key),
        ("api", change.key.audience): directory.api_name(change.key),
        **{("organization", each): known[each].name if each in known else None for each in organizations},
    }


def label_unverified(plan: Plan) -> Plan:
    """Mark the names, descriptions and notes in a saved plan as unverified.

    reconciler computes the risks again from the changes, because anybody can edit a saved plan. If the saved plan
    contains a risk that reconciler did not compute, the message of the risk ends with `(unverified)`.
    """
    blocked = tuple(Blocked(_label_change(each.change), _label(each.reason)) for each in plan.blocked)
    changes = tuple(map(_label_change, plan.changes))
    known = (*changes, *(each.change for each in blocked))
    found = {
        key: tuple(risk for risk in risks if risk.is_known)
        for key, risks in find_all_risks(known, lambda _: False, Directory()).items()
    }
    return replace(
        plan,
        changes=changes,
        blocked=blocked,
        directory=_label_names(plan.directory),
        notes=(UNVERIFIED_NOTE, *map(_label, plan.notes)),
        config_changes=tuple(
            each._replace(risk=each.risk._replace(message=_label(each.risk.message))) for each in plan.config_changes
        ),
        attributions={key: _label(text) for key, text in plan.attributions.items()},
        risks={key: _merge_risks(found.get(key, ()), plan.risks.get(key, ())) for key in {**found, **plan.risks}},
    )


def _label(text: str) -> str:
    return f"{UNVERIFIED}: {text}"


def _label_change(change: Change) -> Change:
    if isinstance(change, Delete) or not change.after.spec.description:
        return change
    spec = change.after.spec._replace(description=_label(change.after.spec.description))
    return change._replace(after=DesiredGrant(change.after.grant, spec))


def _merge_risks(found: Iterable[Risk], claimed: Iterable[Risk]) -> tuple[Risk, ...]:
    """Combine the computed risks with the risks in the saved plan, the most dangerous risk first."""
    found = tuple(found)
    more = (risk._replace(message=f"{risk.message} ({UNVERIFIED})") for risk in claimed if risk not in found)
    return tuple(sorted((*found, *more), key=lambda risk: risk.level.order))


def _label_names(directory: Directory) -> Directory:
    def name(identity: str, claimed: str) -> str:
        return f"{identity} ({UNVERIFIED}: {quote_text(claimed)})"

    return Directory(
        tuple(Application(each.client_id, name(each.client_id, each.name)) for each in directory.applications or ()),
        tuple(Api(each.identifier, name(each.identifier, each.name)) for each in directory.apis or ()),
        associated=tuple(Organization(each.id, name(each.id, each.name)) for each in directory.associated),
    )
