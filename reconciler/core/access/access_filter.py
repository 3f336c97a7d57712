"""Select grants of the access report by application, API and scope."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from reconciler.core.access.report import AccessGrant, AccessReport, TenantAccess, plain_name
from reconciler.core.characters import quote_text
from reconciler.core.directory import TenantList
from reconciler.core.pattern import matches
from reconciler.core.suggest import did_you_mean
from reconciler.errors import ReconcilerError


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFilter:
    """A filter that selects grants of the access report by application, API and scope.

    Each field of the filter is a name or an id, and may contain the wildcards `*` and `?`. The filter ignores fields
    with the value None.
    """

    application: str | None = None
    api: str | None = None
    scope: str | None = None

    def __str__(self) -> str:
        """Return a description of the filter, or an empty string if the filter selects every grant."""
        parts = (("application", self.application), ("API", self.api), ("scope", self.scope))
        return ", ".join(f'{name} "{pattern}"' for name, pattern in parts if pattern is not None)

    def selects(self, grant: AccessGrant) -> bool:
        """Return whether the filter selects the grant.

        A default grant is selected with each application that it applies to. If these applications are unknown, every
        application may be one of them.

        If the scopes of the grant are unknown, compare only the application and the API.
        """
        return (
            self._selects_application(grant)
            and _any_matches(_names(grant.api, grant.audience), self.api)
            and (not grant.scopes_known or _any_matches([each.name for each in grant.scopes], self.scope))
        )

    def _selects_application(self, grant: AccessGrant) -> bool:
        if grant.default_holders is None or _any_matches(_names(grant.application, grant.client_id), self.application):
            return True
        return any(_any_matches((each.name, each.client_id), self.application) for each in grant.default_holders)


def select_access(report: AccessReport, chosen: AccessFilter) -> AccessReport:
    """Return a copy of the report that contains only the grants that the filter selects.

    Raises ReconcilerError if no tenant has an application or an API that the filter selects.
    """
    if not str(chosen):
        return report
    _refuse_unknown(report, chosen.application, "application", TenantList.APPLICATIONS, _application_names)
    _refuse_unknown(report, chosen.api, "API", TenantList.APIS, _api_names)
    tenants = tuple(_select_in_tenant(tenant, chosen) for tenant in report.tenants)
    return replace(report, tenants=tenants, selection=str(chosen))


def _select_in_tenant(tenant: TenantAccess, chosen: AccessFilter) -> TenantAccess:
    """Return the report of a tenant with the grants that the filter selects.

    If the filter selects by name and the name of an application or API is unknown, the report keeps the grant.
    """
    unread = [
        what
        for what, pattern, needed, names_in in (
            ("application", chosen.application, TenantList.APPLICATIONS, _application_names),
            ("API", chosen.api, TenantList.APIS, _api_names),
        )
        if pattern is not None and not _is_read(tenant, needed) and not _any_matches(names_in(tenant), pattern)
    ]

    def selects(grant: AccessGrant) -> bool:
        """Return whether the filter selects the grant, or may select it because a name is unknown."""
        any_application = "application" in unread and grant.client_id is not None
        any_api = "API" in unread and grant.audience is not None
        return replace(
            chosen,
            application=None if any_application else chosen.application,
            api=None if any_api else chosen.api,
        ).selects(grant)

    notes = (f"the name of the {what} is not known, so the filter may show other grants" for what in unread)
    grants = tuple(each for each in tenant.grants if selects(each))
    return replace(tenant, grants=grants, notes=(*tenant.notes, *(notes if grants else ())))


def _is_read(tenant: TenantAccess, needed: TenantList) -> bool:
    return any(each.name == needed and each.is_read for each in tenant.listings)


def _refuse_unknown(
    report: AccessReport,
    pattern: str | None,
    what: str,
    needed: TenantList,
    names_in: Callable[[TenantAccess], Iterable[str | None]],
) -> None:
    """Raise ReconcilerError if no name in the report matches the pattern, because the pattern is probably misspelled.

    If reconciler could not read a list of names, the pattern may be correct.
    """
    is_complete = all(_is_read(tenant, needed) for tenant in report.tenants)
    names = list(dict.fromkeys(name for tenant in report.tenants for name in names_in(tenant) if name))
    if pattern is not None and is_complete and not _any_matches(names, pattern):
        advice = did_you_mean(pattern, names) or "list all grants with `reconciler access`"
        raise ReconcilerError(f"no {what} matches {quote_text(pattern)}; {advice}")


def _application_names(tenant: TenantAccess) -> Iterable[str | None]:
    yield from (text for each in tenant.applications for text in (each.name, each.client_id))
    yield from (text for each in tenant.grants for text in _names(each.application, each.client_id))


def _api_names(tenant: TenantAccess) -> Iterable[str | None]:
    yield from (text for each in tenant.apis for text in (each.name, each.identifier))
    yield from (text for each in tenant.grants for text in _names(each.api, each.audience))


def _names(label: str, identity: str | None) -> tuple[str | None, ...]:
    return label, identity, plain_name(label, identity)


def _any_matches(texts: Iterable[str | None], pattern: str | None) -> bool:
    return pattern is None or any(text is not None and matches(text, pattern) for text in texts)
