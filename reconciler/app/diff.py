"""Compare two tenants by the names of applications and APIs."""

from dataclasses import replace

from reconciler.app.access import AccessOptions, make_access_report
from reconciler.app.console import Console
from reconciler.app.options import GlobalOptions, RequestOptions
from reconciler.core.tenant_diff import TenantDiff, compare_tenants
from reconciler.errors import ReconcilerError


def diff_tenants(  # noqa: PLR0913 - what a user names
    options: GlobalOptions,
    first: str,
    second: str,
    request_options: RequestOptions,
    console: Console,
    *,
    declared: bool,
) -> TenantDiff:
    """Compare the grants of two tenants, or with `declared` the grants that the files declare for them.

    Raises:
        ReconcilerError: if the names are equal, or if a tenant cannot be read.
    """
    if options.tenants or options.all_tenants:
        raise ReconcilerError("diff takes two tenants as arguments; omit --tenant and --all-tenants")
    if first == second:
        raise ReconcilerError("name two different tenants")
    both = replace(options, tenants=(first, second))
    result = make_access_report(both, AccessOptions(offline=declared), request_options, console)
    unread = [] if declared else [each.tenant.name for each in result.report.tenants if not each.is_read]
    if unread:
        raise ReconcilerError(f"the tenants cannot be compared: {' and '.join(unread)} could not be read")
    return compare_tenants(*result.report.tenants, is_declared=declared)
