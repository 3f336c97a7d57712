"""Build the access report of a tenant. The report compares the grant files with the grants of the tenant."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from reconciler.core.access.effect import access_without_grants, default_holders, reason_without_effect
from reconciler.core.access.report import (
    GRANTS_LISTING,
    STATE_OF_REASON,
    AccessGrant,
    AccessState,
    GrantedScope,
    LinkTo,
    ListingStatus,
    Provenance,
    TenantAccess,
    grant_level,
    listed_apis,
    listed_applications,
)
from reconciler.core.diff import FieldChange
from reconciler.core.directory import PERMISSIONS, Directory, TenantList
from reconciler.core.expiry import expiry_text, split_expired
from reconciler.core.fields import admits_organizations
from reconciler.core.grant import ClientGrant, Key, ObservedGrant, index_by_key
from reconciler.core.guards import ProtectionRules
from reconciler.core.identity import TenantName
from reconciler.core.organizations import may_have_organizations
from reconciler.core.plan import Reason, compare
from reconciler.core.planner import Observation
from reconciler.core.problems import Level, Problem, Risk, Source
from reconciler.core.removals import Removal, earlier_source, resolve_removals
from reconciler.core.resolve import DesiredGrant, declared_grant, resolve
from reconciler.core.risks import find_grant_risks
from reconciler.core.scopes import scope_level, scope_order
from reconciler.core.spec import GrantSpec
from reconciler.core.token_lifetime import token_lifetime
from reconciler.core.usage.records import Usage
from reconciler.core.usage.report import UsageWindow, state_of, use_of

OFFLINE = "the tenant was not read (--offline)"
UNREAD_ORGANIZATIONS = "the organizations of the grant were not read"
NAME_ONLY = Risk("unidentified-api", Level.CRITICAL, "the identifier of the API is unknown offline", is_known=False)
"""The risk of a declared grant whose grant file contains the API's name, but not the API's identifier.

An API that is known only by name may be one of the APIs that Auth0 provides in every tenant.
"""


@dataclass(frozen=True, kw_only=True)
class DeclarationFacts:
    """Facts about grant declarations from the git history and the tenant's logs."""

    now: datetime
    """The time of the access report. A declaration has expired if `expires` is before the time of the report."""
    usage: Usage | None = None
    """The use of each grant according to the tenant's logs, or None if reconciler has not collected logs."""
    provenance: Mapping[Source, Provenance] = field(default_factory=dict)
    """For each grant declaration, the git commits that changed the declaration."""
    removals: tuple[Removal, ...] = ()
    """The grants that earlier commits declared and that the current files do not declare."""
    link_to: LinkTo = lambda _: ""
    """A function that returns the web address of a line in a grant file."""

    @cached_property
    def window(self) -> UsageWindow:
        """The time spans that the collected logs cover, up to the time of the report."""
        return UsageWindow(self.now, self.usage.periods if self.usage else ())


def tenant_access(
    tenant: TenantName,
    specs: Iterable[GrantSpec],
    observation: Observation,
    protection: ProtectionRules,
    facts: DeclarationFacts,
) -> TenantAccess:
    """Return the access report of a tenant whose grants reconciler has read."""
    specs, ended = split_expired(specs, facts.now)
    directory = observation.directory
    desired, problems = resolve(specs, directory)
    rest = _unresolved(specs, desired, problems, directory)
    expired = {each.key: each.spec for each in resolve(ended, directory)[0]}
    keys = frozenset(each.key for each in observation.grants)
    builder = _GrantBuilder(directory, protection, facts, rest, expired, keys)
    found = [*builder.compared((*desired, *rest.partial), observation.grants), *builder.unresolved()]
    return TenantAccess(
        tenant=tenant,
        listings=tuple(_listings(observation)),
        applications=listed_applications(directory),
        apis=listed_apis(directory),
        grants=tuple(sorted(found, key=lambda each: each.order)),
        notes=(
            *observation.notes,
            *access_without_grants(directory),
            *(f"{spec.source}: a second declaration of the same grant was ignored" for spec in rest.duplicates),
        ),
    )


def declared_access(tenant: TenantName, specs: Iterable[GrantSpec], facts: DeclarationFacts) -> TenantAccess:
    """Return the access report of a tenant whose grants reconciler has not read.

    The report contains the declared grants, all with the state UNKNOWN.
    """
    builder = _GrantBuilder(Directory(), None, facts)
    found = (builder.unread(spec, OFFLINE) for spec in specs)
    names = (GRANTS_LISTING, *(each.value for each in TenantList))
    return TenantAccess(
        tenant=tenant,
        listings=tuple(ListingStatus(name, None, OFFLINE) for name in names),
        grants=tuple(sorted(found, key=lambda each: each.order)),
    )


def _listings(observation: Observation) -> Iterator[ListingStatus]:
    directory = observation.directory
    yield ListingStatus(GRANTS_LISTING, len(observation.grants))
    lists = (directory.applications, directory.apis, directory.organizations)
    for name, content in zip(TenantList, lists, strict=True):
        if content is not None:
            yield ListingStatus(name.value, len(content))
        elif name in directory.refused:
            yield ListingStatus(name.value, None, f"the token lacks {PERMISSIONS[name]}")
        elif name is not TenantList.ORGANIZATIONS:
            yield ListingStatus(name.value, None, "not read")
    unread = sum(may_have_organizations(each) and each.grant.organizations is None for each in observation.grants)
    if unread:
        yield ListingStatus("organizations of grants", None, f"organizations not read for {unread} grants")


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """The grant declarations that contain an error, grouped by the kind of error."""

    names: tuple[tuple[GrantSpec, Problem], ...] = ()
    """Each declaration whose application or API is unknown or ambiguous, with the error message."""
    partial: tuple[DesiredGrant, ...] = ()
    """The grants whose declaration contains an unknown organization, with the value None for `organizations`."""
    problems: Mapping[Key, str] = field(default_factory=dict)
    """For each grant whose declaration contains an unknown organization, the first error about an organization."""
    duplicates: tuple[GrantSpec, ...] = ()
    """The repeated declarations. A declaration is repeated if an earlier declaration declares the same grant."""

    def possible_declaration(self, key: Key, directory: Directory) -> str:
        """Return an error message if an ambiguous declaration could refer to the grant with the identity `key`.

        Return an empty string if no ambiguous declaration could refer to the grant.
        """
        names = {None, directory.client_name(key), directory.api_name(key)}
        for spec, problem in self.names:
            if problem.is_missing:
                continue
            is_possible = spec.client in names and spec.api in names and spec.subject_type == key.subject_type
            ids = spec.client_id in {None, key.client_id} and spec.audience in {None, key.audience}
            if is_possible and ids and spec.default_for == key.default_for:
                return f"a file may declare this grant ({spec.source}): {problem.what}"
        return ""


def _unresolved(
    specs: Iterable[GrantSpec], desired: Iterable[DesiredGrant], problems: Iterable[Problem], directory: Directory
) -> _Unresolved:
    """Return the declarations that contain an error, grouped by the kind of error."""
    known = {id(each.spec) for each in desired}
    by_source = {problem.source: problem for problem in reversed(tuple(problems))}
    names, partial, duplicates = [], [], []
    organization_problems: dict[Key, str] = {}
    for spec in specs:
        if id(spec) in known:
            continue
        wrong_name = next(_wrong_names(spec, directory), None)
        wrong_organizations = (  # the names are unknown or ambiguous in the tenant
            source for text, source in spec.organizations_with_sources() if len(directory.find_organizations(text)) != 1
        )
        wrong = wrong_name or next(wrong_organizations, None)
        problem = by_source.get(wrong, Problem(wrong, "the name is not known")) if wrong else None
        if problem is None:
            duplicates.append(spec)
        elif wrong_name:
            names.append((spec, problem))
        else:
            (grant,), _ = resolve([spec._replace(organizations=None)], directory)
            partial.append(grant._replace(spec=spec))
            organization_problems.setdefault(grant.key, problem.what)
    return _Unresolved(tuple(names), tuple(partial), organization_problems, tuple(duplicates))


def _wrong_names(spec: GrantSpec, directory: Directory) -> Iterator[Source]:
    """Yield the position of each unknown or ambiguous application name or API name in a declaration."""
    if spec.client is not None and len(directory.client_ids_by_name.get(spec.client, ())) != 1:
        yield spec.source_of("client")
    if spec.api is not None and len(directory.identifiers_by_name.get(spec.api, ())) != 1:
        yield spec.source_of("api")


def _has_unread_organizations(desired: DesiredGrant, observed: ObservedGrant | None) -> bool:
    """Return whether the declared organizations cannot be compared, because the tenant's organizations are unknown."""
    if observed is None or desired.grant.organizations is None:
        return False
    return observed.grant.organizations is None and may_have_organizations(observed)


def _without_organizations(desired: DesiredGrant) -> DesiredGrant:
    return desired._replace(grant=desired.grant._replace(organizations=None))


@dataclass(frozen=True, slots=True)
class _GrantBuilder:
    """Create an entry in the access report for each declared grant and each grant of the tenant.

    `protection` is None if reconciler has not read the tenant. `expired` contains the expired declarations. `existing`
    contains the keys of the tenant's grants.
    """

    directory: Directory
    protection: ProtectionRules | None
    facts: DeclarationFacts
    rest: _Unresolved = field(default_factory=_Unresolved)
    expired: Mapping[Key, GrantSpec] = field(default_factory=dict)
    existing: frozenset[Key] = frozenset()

    def compared(self, desired: Iterable[DesiredGrant], grants: Iterable[ObservedGrant]) -> Iterator[AccessGrant]:
        """Yield a report entry for each grant, with the result of comparing the tenant with the grant files.

        Declared grants come before undeclared grants.
        """
        observed = index_by_key(grants)
        desired = tuple(desired)
        unread = {each.key for each in desired if _has_unread_organizations(each, observed.get(each.key))}
        comparison = compare(
            (_without_organizations(each) if each.key in unread else each for each in desired), observed
        )
        updates = {each.key: each for each in comparison.updates}
        missing = {each.key for each in comparison.creates}
        for each in comparison.desired:
            if each.key in missing:
                yield self._declared(each, None, AccessState.MISSING)
            elif update := updates.get(each.key):
                detail = UNREAD_ORGANIZATIONS if each.key in unread else ""
                yield self._declared(each, observed[each.key], AccessState.DRIFTED, update.fields, detail)
            elif each.key in unread:
                yield self._declared(each, observed[each.key], AccessState.UNKNOWN, (), UNREAD_ORGANIZATIONS)
            elif each.key in self.rest.problems:
                yield self._declared(each, observed[each.key], AccessState.DRIFTED)
            else:
                yield self._declared(each, observed[each.key], AccessState.AS_DECLARED)
        removals = resolve_removals(self.facts.removals, self.directory).by_key
        for current in comparison.undeclared:
            undeclared = self._undeclared(current, removals.get(current.key))
            spec = self.expired.get(current.key)
            if spec is not None:
                detail = f"expired {expiry_text(spec.expires)}"
                undeclared = self._with_declaration(undeclared, spec)
                undeclared = replace(undeclared, state=AccessState.EXPIRED, detail=detail)
            yield undeclared

    def unresolved(self) -> Iterator[AccessGrant]:
        """Yield a report entry for each declaration whose application or API is unknown or ambiguous."""
        for spec, problem in self.rest.names:
            state = AccessState.MISSING if problem.is_missing else AccessState.UNKNOWN
            yield replace(self._named(spec, state, problem.what), is_unresolved=True)

    def unread(self, spec: GrantSpec, reason: str) -> AccessGrant:
        """Create a report entry for a declared grant that reconciler has not compared with the tenant.

        `reason` explains why reconciler has not compared the grant.
        """
        return self._named(spec, AccessState.UNKNOWN, reason)

    def _named(self, spec: GrantSpec, state: AccessState, detail: str) -> AccessGrant:
        """Create a report entry with the names from the grant file, because the ids are unknown."""
        key = Key(spec.client_id or spec.client, spec.audience or spec.api or "", spec.subject_type, spec.default_for)
        grant = declared_grant(spec, key, frozenset(spec.organizations or ()))
        more = () if spec.audience else (NAME_ONLY,)
        unnamed = replace(self._grant(grant, more), client_id=spec.client_id, audience=spec.audience)
        return replace(self._with_declaration(unnamed, spec), state=state, detail=detail)

    def _declared(
        self,
        declared: DesiredGrant,
        observed: ObservedGrant | None,
        state: AccessState,
        differences: tuple[FieldChange, ...] = (),
        detail: str = "",
    ) -> AccessGrant:
        current = observed.grant if observed else declared.grant
        if observed is None and current.organizations is None:
            current = current._replace(organizations=frozenset())
        return replace(
            self._with_declaration(self._grant(current), declared.spec),
            state=state,
            detail=detail or self.rest.problems.get(declared.key, ""),
            differences=differences,
            guard=self._guard(declared.key, observed),
            grant_id=observed.id if observed else "",
            no_effect=reason_without_effect(observed.grant, self.directory) if observed else "",
        )

    def _undeclared(self, observed: ObservedGrant, removal: Removal | None) -> AccessGrant:
        kept = self.protection and self.protection.reason_to_keep(observed, self.directory, prunes=False)
        reason, detail = kept or (Reason.UNMANAGED, "")
        if reason is Reason.UNMANAGED and removal is not None:
            by = f", removed by {removal.removed_by}" if removal.removed_by else ""
            reason, detail = Reason.REMOVED, f"declared in {earlier_source(removal.spec.source)}{by}"
        state = STATE_OF_REASON[reason]
        if possible := self.rest.possible_declaration(observed.key, self.directory):
            state, detail = AccessState.UNKNOWN, possible
        return replace(
            self._grant(observed.grant),
            state=state,
            detail=detail,
            guard=self._guard(observed.key, observed),
            grant_id=observed.id,
            no_effect=reason_without_effect(observed.grant, self.directory),
        )

    def _guard(self, key: Key, observed: ObservedGrant | None) -> str:
        reason = self.protection.reason(key, observed, self.directory) if self.protection else None
        return f"{reason[0]}: {reason[1]}" if reason else ""

    def _with_declaration(self, grant: AccessGrant, spec: GrantSpec) -> AccessGrant:
        return replace(
            grant,
            source=spec.source,
            link=self.facts.link_to(spec.source),
            description=spec.description,
            expires=spec.expires,
            provenance=self.facts.provenance.get(spec.source, Provenance()),
        )

    def _grant(self, grant: ClientGrant, more_risks: tuple[Risk, ...] = ()) -> AccessGrant:
        """Create a report entry for a grant, without the details of the grant's declaration."""
        directory, key, usage = self.directory, grant.key, self.facts.usage
        use = use_of(key, usage) if usage else None
        api = directory.apis_by_identifier.get(key.audience)
        risks = sorted((*find_grant_risks(grant, directory), *more_risks), key=lambda risk: risk.level.order)
        return AccessGrant(
            application=directory.client_label(key),
            api=directory.api_label(key),
            client_id=key.client_id,
            default_for=key.default_for,
            third_party=key.default_for is not None or directory.third_party(key),
            audience=key.audience,
            subject_type=key.subject_type,
            scopes=self._scopes(grant),
            grant=grant,
            scopes_known=not grant.allow_all_scopes or api is not None,
            organizations=self._organizations(grant),
            default_holders=default_holders(key, self.directory, self.existing),
            risks=tuple(risks),
            level=grant_level(risks),
            token_lifetime=token_lifetime(key, directory),
            use="" if usage is None else state_of(key, usage, self.facts.window)[1],  # empty without collected logs
            last_use=use.last if use else "",
        )

    def _organizations(self, grant: ClientGrant) -> tuple[str, ...] | None:
        if not admits_organizations(grant.organization_usage):
            return ()
        known = grant.organizations
        return None if known is None else tuple(sorted(map(self.directory.organization_label, known)))

    def _scopes(self, grant: ClientGrant) -> tuple[GrantedScope, ...]:
        """Return the scopes of a grant, the most dangerous scope first.

        If the grant has `allow_all_scopes`, return all scopes that the API defines.
        """
        audience = grant.key.audience
        api = self.directory.apis_by_identifier.get(audience)
        defined = api.scopes_for(grant.key) if api else None
        names = (defined or frozenset()) if grant.allow_all_scopes else grant.scope
        return tuple(
            GrantedScope(name, scope_level(audience, name), None if defined is None else name in defined)
            for name in sorted(names, key=lambda name: scope_order(audience, name))
        )
