"""A tenant of today's reconciler.yaml, found in an earlier version."""

import pytest

from reconciler.config.file import parse_config
from reconciler.config.past_tenants import PastConfig
from reconciler.config.tenants import Config, select_tenant
from reconciler.core.declared_history import TenantStatus
from reconciler.core.tenant_filter import TargetTenant
from reconciler.files.document import YamlMapping
from reconciler.files.loader import parse


def config(text: str) -> Config:
    data = parse(text.encode(), "reconciler.yaml").data
    assert isinstance(data, YamlMapping)
    return parse_config(data, "reconciler.yaml")


PROD = "tenants: {prod: {domain: acme.eu.auth0.com, variables: {app: Portal}}}"


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        (PROD, ("prod", "Portal")),
        ("tenants: {prod: {domain: acme.eu.auth0.com, variables: {app: Billing}}}", ("prod", "Billing")),
        ("{variables: {app: Shared}, tenants: {prod: {domain: acme.eu.auth0.com}}}", ("prod", "Shared")),
        ("tenants: {live: {domain: ACME.eu.auth0.com, variables: {app: Old}}}", ("live", "Old")),
        (
            "tenants: {prod: {domain: old.eu.auth0.com}, live: {domain: acme.eu.auth0.com, variables: {app: Old}}}",
            ("live", "Old"),
        ),
        (
            "tenants: {prod: {domain: login.acme.com, canonical_domain: acme.eu.auth0.com, variables: {app: Old}}}",
            ("prod", "Old"),
        ),
        ("tenants: {prod: {domain: other.eu.auth0.com}}", TenantStatus.UNDECLARED),
        ("tenants: {prod: {kind: sandbox}}", TenantStatus.UNDECLARED),
        ("tenants: {dev: {domain: dev.eu.auth0.com}}", TenantStatus.UNDECLARED),
        ("tenants: {prod: {domain: login.acme.com}}", TenantStatus.UNKNOWN),
        ("variables: {app: Portal}", TenantStatus.UNKNOWN),
        ("{}", TenantStatus.UNKNOWN),
    ],
)
def test_a_tenant_has_the_settings_of_its_domain(past: str, expected: tuple[str, str] | TenantStatus) -> None:
    now = config(PROD)

    found = PastConfig(config(past)).find(now.tenants["prod"], now)

    if isinstance(found, TargetTenant):
        assert (found.name, found.values["app"]) == expected
        assert found.values["domain"] == "acme.eu.auth0.com"
    else:
        assert found is expected


@pytest.mark.parametrize(
    ("now", "past", "expected"),
    [
        ("variables: {app: New}", "variables: {app: Old}", "Old"),
        ("{}", "tenants: {prod: {domain: acme.eu.auth0.com, variables: {app: Old}}}", "Old"),
        ("{}", "tenants: {dev: {domain: dev.eu.auth0.com}}", TenantStatus.UNDECLARED),
        (
            "tenants: {dev: {domain: dev.eu.auth0.com}}",
            "{variables: {app: Old}, tenants: {dev: {domain: dev.eu.auth0.com}}}",
            "Old",
        ),
    ],
)
def test_a_tenant_that_the_environment_chooses_has_the_shared_settings(
    now: str, past: str, expected: str | TenantStatus
) -> None:
    today = config(now)
    tenant = select_tenant(today, None, {"AUTH0_DOMAIN": "acme.eu.auth0.com"}, allow_unnamed=True)

    found = PastConfig(config(past)).find(tenant, today)

    assert (found.values["app"] if isinstance(found, TargetTenant) else found) == expected
