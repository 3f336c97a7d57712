from typing import Any

import pytest

from reconciler.config.file import parse_config
from reconciler.config.tenants import (
    Config,
    check_environment,
    choose_tenant,
    choose_tenants,
    identity_check,
    unconfirmed_domain,
)
from reconciler.core.pattern import Protect
from reconciler.core.tenant import SANDBOX_DOMAIN, Tenant, TenantKind
from reconciler.core.tenant_filter import TargetTenant, TargetTenants
from reconciler.errors import ProblemsError, ReconcilerError

LIVE = "live.eu.auth0.com"
OTHER = "other.eu.auth0.com"
CUSTOM = "login.example.com"


def config(**tenants: dict[str, Any]) -> Config:
    return parse_config({"tenants": tenants}, "reconciler.yaml")


def test_an_undeclared_domain_has_the_shared_settings() -> None:
    parsed = parse_config({"protect": [{"client": "A"}], "limits": {"deletes": 1}}, "reconciler.yaml")
    tenant = choose_tenant(parsed, None, {"AUTH0_DOMAIN": f" {LIVE} "})

    assert (tenant.name, tenant.domain, tenant.kind) == (LIVE, LIVE, TenantKind.AUTH0)
    assert (tenant.protect, tenant.limits.deletes_percent) == ((Protect(client="A"),), 1)


@pytest.mark.parametrize(
    ("name", "environment", "chosen"),
    [
        ("other", {"AUTH0_DOMAIN": LIVE}, "other"),
        (None, {"AUTH0_DOMAIN": LIVE}, "live"),
        (None, {"AUTH0_DOMAIN": f"https://{LIVE.upper()}/"}, "live"),
        (None, {"AUTH0_DOMAIN": "127.0.0.1:8321"}, "127.0.0.1:8321"),
        (None, {"AUTH0_DOMAIN": " "}, "default"),
        (None, {}, "default"),
    ],
    ids=["option", "domain", "domain as URL", "undeclared loopback", "empty domain", "default"],
)
def test_the_option_overrides_auth0_domain_and_that_overrides_the_default(
    name: str | None, environment: dict[str, str], chosen: str
) -> None:
    tenants = {
        "default": {"kind": "sandbox"},
        "live": {"domain": LIVE},
        "other": {"kind": "sandbox", "database": "other.db"},
    }
    parsed = parse_config({"default_tenant": "default", "tenants": tenants}, "reconciler.yaml")

    assert choose_tenant(parsed, name, environment).name == chosen


def test_the_only_tenant_is_the_default() -> None:
    assert choose_tenant(config(live={"domain": LIVE}), None, {}).name == "live"


def test_auth0_domain_never_selects_a_sandbox() -> None:
    sandbox_config = config(local={"kind": "sandbox", "domain": "local.test"})

    tenant = choose_tenant(sandbox_config, None, {"AUTH0_DOMAIN": "local.test"}, allow_unnamed=True)

    assert (tenant.name, tenant.kind) == ("local.test", TenantKind.AUTH0)


@pytest.mark.parametrize(
    ("tenants", "name", "message"),
    [
        ({}, None, "no tenant is selected: use --tenant, set AUTH0_DOMAIN, or set default_tenant in reconciler.yaml"),
        ({"a": {"domain": LIVE}, "b": {"domain": OTHER}}, None, "no tenant is selected: use --tenant"),
        ({"live": {"domain": LIVE}}, "lvie", 'does not declare the tenant "lvie"; did you mean "live"'),
        ({"live": {"domain": LIVE}}, "zzz", 'does not declare the tenant "zzz"; declared tenants: live'),
        ({}, "zzz", 'does not declare the tenant "zzz"; declared tenants: none'),
    ],
    ids=["no tenants", "several tenants", "similar name", "unknown name", "unknown name without tenants"],
)
def test_an_ambiguous_or_unknown_selection_is_an_error(
    tenants: dict[str, dict[str, Any]], name: str | None, message: str
) -> None:
    with pytest.raises(ReconcilerError, match=message):
        choose_tenant(config(**tenants), name, {})


def test_variables_of_a_tenant_override_shared_ones_and_domain_is_built_in() -> None:
    shared = {"stage": "dev", "region": "eu"}
    parsed = parse_config(
        {"variables": shared, "tenants": {"live": {"domain": f"https://{LIVE}", "variables": {"stage": "prod"}}}},
        "reconciler.yaml",
    )

    assert parsed.tenants["live"].target == TargetTenant("live", {"stage": "prod", "region": "eu", "domain": LIVE})
    undeclared = choose_tenant(parsed, None, {"AUTH0_DOMAIN": "new.auth0.com"}, allow_unnamed=True)
    assert undeclared.target == TargetTenant("new.auth0.com", {**shared, "domain": "new.auth0.com"})


def test_targets_are_the_selected_tenants_or_all_tenants_or_a_placeholder() -> None:
    parsed = config(live={"domain": LIVE}, local={"kind": "sandbox"})
    live, local = parsed.tenants.values()

    assert parsed.targets(live) == TargetTenants((live.target,), ("live", "local"))
    assert parsed.targets() == TargetTenants((live.target, local.target), ("live", "local"))
    assert parse_config({"variables": {"a": "b"}}, "x").targets().targets[0].values.keys() == {"a", "domain"}


def test_a_custom_domain_is_confirmed_by_the_domain_variable_of_its_prefix() -> None:
    parsed = config(prod={"domain": CUSTOM, "credentials": "AUTH0_PROD_"}, dev={"domain": "dev.example.com"})

    with pytest.raises(ReconcilerError, match=f"set AUTH0_PROD_DOMAIN={CUSTOM} in the environment"):
        choose_tenant(parsed, "prod", {"AUTH0_DOMAIN": CUSTOM})
    with pytest.raises(ReconcilerError, match=r"set AUTH0_DOMAIN=dev\.example\.com in the environment"):
        choose_tenant(parsed, "dev", {"AUTH0_PROD_DOMAIN": "dev.example.com"})
    assert choose_tenant(parsed, "prod", {"AUTH0_PROD_DOMAIN": f"https://{CUSTOM}/"}).name == "prod"


@pytest.mark.parametrize("domain", [CUSTOM, f"https://{CUSTOM}", "127.0.0.1:8321", "auth0.com.example.com"])
def test_a_host_outside_auth0_must_be_confirmed_in_the_environment(domain: str) -> None:
    parsed = config(custom={"domain": domain})

    with pytest.raises(ReconcilerError, match=f"is not a host of Auth0; .* AUTH0_DOMAIN={domain}"):
        choose_tenant(parsed, "custom", {})
    host = domain.removeprefix("https://")
    differs = rf"AUTH0_DOMAIN is {LIVE}, but the tenant's domain is {host} \(not a host of Auth0\); nothing was sent"
    with pytest.raises(ReconcilerError, match=differs):
        choose_tenant(parsed, "custom", {"AUTH0_DOMAIN": LIVE})
    assert choose_tenant(parsed, "custom", {"AUTH0_DOMAIN": domain}).name == "custom"
    assert choose_tenant(parsed, None, {"AUTH0_DOMAIN": domain}).name == "custom"


@pytest.mark.parametrize("name", ["custom", None], ids=["named", "only tenant"])
def test_hosts_of_auth0_need_no_confirmation(name: str | None) -> None:
    for domain in (LIVE, f"{LIVE}:443", f"{LIVE}.", "old-tenant.auth0.com", "abc.ca.auth0.com"):
        assert choose_tenant(config(custom={"domain": domain}), name, {}).name == "custom"


@pytest.mark.parametrize(
    ("domain", "host", "base_url"),
    [
        (LIVE, LIVE, f"https://{LIVE}"),
        (f"https://{LIVE}/", LIVE, f"https://{LIVE}"),
        ("Live.EU.Auth0.com", LIVE, f"https://{LIVE}"),
        ("example.com:8443", "example.com:8443", "https://example.com:8443"),
        ("127.0.0.1:8321", "127.0.0.1:8321", "http://127.0.0.1:8321"),
        ("localhost:8321", "localhost:8321", "http://localhost:8321"),
        ("localhost", "localhost", "http://localhost"),
        ("[::1]:8321", "[::1]:8321", "http://[::1]:8321"),
        ("http://localhost:8321", "localhost:8321", "http://localhost:8321"),
        ("https://localhost:8321", "localhost:8321", "https://localhost:8321"),
        ("localhost.example.com", "localhost.example.com", "https://localhost.example.com"),
        ("127.0.0.1.example.com", "127.0.0.1.example.com", "https://127.0.0.1.example.com"),
        ("127.0.0.2:8321", "127.0.0.2:8321", "https://127.0.0.2:8321"),
        (f"{LIVE}.", LIVE, f"https://{LIVE}"),
        (f"{LIVE}:443", LIVE, f"https://{LIVE}"),
        (f"HTTPS://{LIVE.upper()}.:0443/", LIVE, f"https://{LIVE}"),
        (f"{LIVE}:80", f"{LIVE}:80", f"https://{LIVE}:80"),
        ("LOCALHOST.:08321", "localhost:8321", "http://localhost:8321"),
        ("localhost:80", "localhost", "http://localhost"),
        ("localhost:443", "localhost:443", "http://localhost:443"),
        ("https://localhost:443", "localhost", "https://localhost"),
    ],
)
def test_only_loopback_uses_plain_http(domain: str, host: str, base_url: str) -> None:
    tenant = Tenant(name="t", domain=domain)

    assert (tenant.host, tenant.base_url) == (host, base_url)


@pytest.mark.parametrize(
    "domain",
    [
        "not a domain",
        f"{LIVE}/api/v2/",
        f"{LIVE}?x",
        f"{LIVE}#x",
        f"user@{LIVE}",
        f"https://user:password@{LIVE}",
        f"ftp://{LIVE}",
        f"//{LIVE}",
        f"{LIVE}:port",
        f"{LIVE}:123456",
        f"{LIVE}\r\nHost: evil.example",
        "example。auth0.com",
        "a..b",
        ".a",
        "a...",
        "-a.example.com",
        "a-.example.com",
        f"{'a' * 64}.example.com",
        f"{'a.' * 126}aa",
        f"{LIVE}:٤٤٣",
        "münchen.auth0.com",
    ],
)
def test_an_invalid_domain_is_refused_in_files_and_in_the_environment(domain: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        config(live={"domain": domain})
    assert [problem.what for problem in caught.value.problems] == [f'"{domain}" is not a valid domain']
    with pytest.raises(ReconcilerError, match="is not a valid domain; use a domain like"):
        choose_tenant(Config(), None, {"AUTH0_DOMAIN": domain})


@pytest.mark.parametrize("domain", [f"http://{LIVE}", "http://127.0.0.1.example.com", "http://localhost.example.com"])
def test_plain_http_is_refused_outside_loopback(domain: str) -> None:
    with pytest.raises(ProblemsError):
        config(live={"domain": domain})
    with pytest.raises(ReconcilerError, match="plain http"):
        choose_tenant(Config(), None, {"AUTH0_DOMAIN": domain})


@pytest.mark.parametrize(
    "spelling",
    [LIVE, LIVE.upper(), f"{LIVE}.", f"{LIVE}:443", f"https://{LIVE}/", f"HTTPS://{LIVE}.:443/"],
)
def test_any_spelling_of_a_declared_domain_selects_its_tenant(spelling: str) -> None:
    parsed = config(live={"domain": LIVE, "protect": [{"client": "Legacy"}]}, other={"domain": OTHER})

    tenant = choose_tenant(parsed, None, {"AUTH0_DOMAIN": spelling})

    assert (tenant.name, tenant.protect) == ("live", (Protect(client="Legacy"),))
    assert choose_tenant(parsed, "live", {"AUTH0_DOMAIN": spelling}) == tenant


@pytest.mark.parametrize("spelling", ["localhost:8321", "127.0.0.1:8321", "[::1]:8321", "http://LOCALHOST.:8321/"])
def test_all_loopback_names_with_one_port_are_the_same_host(spelling: str) -> None:
    parsed = config(live={"domain": "127.0.0.1:8321", "protect": [{"client": "Legacy"}]})

    assert choose_tenant(parsed, None, {"AUTH0_DOMAIN": spelling}).name == "live"
    assert choose_tenant(parsed, None, {"AUTH0_DOMAIN": "localhost:8322"}).name == "localhost:8322"


@pytest.mark.parametrize("domain", ["new.auth0.com", f"{LIVE}:8443", f"x.{LIVE}", CUSTOM, "127.0.0.2", "127.1"])
def test_an_undeclared_domain_is_refused_without_the_option(domain: str) -> None:
    declared = {"live": {"domain": LIVE}, "local": {"kind": "sandbox"}}
    parsed = parse_config({"protect": [{"client": "A"}], "tenants": declared}, "reconciler.yaml")

    with pytest.raises(ReconcilerError, match="declares no tenant with the domain") as caught:
        choose_tenant(parsed, None, {"AUTH0_DOMAIN": domain})
    allowed = choose_tenant(parsed, None, {"AUTH0_DOMAIN": domain}, allow_unnamed=True)

    assert "--allow-unnamed-tenant" in str(caught.value)
    assert (allowed.name, allowed.protect) == (domain, (Protect(client="A"),))


def test_without_declared_tenants_any_domain_is_allowed() -> None:
    assert choose_tenant(Config(), None, {"AUTH0_DOMAIN": "new.auth0.com"}).name == "new.auth0.com"


@pytest.mark.parametrize("name", ["live", None], ids=["named", "only tenant"])
@pytest.mark.parametrize("domain", [OTHER, "live.us.auth0.com", f"{LIVE}:8443", CUSTOM, "127.0.0.1:1"])
def test_a_domain_variable_with_another_domain_is_an_error(name: str | None, domain: str) -> None:
    parsed = config(live={"domain": LIVE, "credentials": "AUTH0_LIVE_"})

    with pytest.raises(ReconcilerError, match=rf"AUTH0_LIVE_DOMAIN is {domain}, but the tenant's domain is {LIVE}"):
        choose_tenant(parsed, name, {"AUTH0_LIVE_DOMAIN": domain})
    assert choose_tenant(parsed, "live", {"AUTH0_DOMAIN": domain}).name == "live"


def test_an_invalid_domain_variable_is_an_error() -> None:
    parsed = config(live={"domain": LIVE, "credentials": "AUTH0_LIVE_"})

    with pytest.raises(ReconcilerError, match='AUTH0_LIVE_DOMAIN: "a b" is not a valid domain'):
        choose_tenant(parsed, "live", {"AUTH0_LIVE_DOMAIN": "a b"})


def test_with_several_tenants_the_domain_of_each_is_checked_separately() -> None:
    parsed = config(dev={"domain": OTHER}, prod={"domain": LIVE})
    environment = {"AUTH0_DOMAIN": OTHER}

    dev, prod = choose_tenants(parsed, [], environment, every=True)

    check_environment(dev, environment)
    message = "set a different prefix for each tenant, for example credentials: AUTH0_PROD_"
    with pytest.raises(ReconcilerError, match=message):
        check_environment(prod, environment)


@pytest.mark.parametrize(
    "domain",
    [
        f"{LIVE}:8443",
        "a.b.us.auth0.com",
        "live.xx.auth0.com",
        "live.eu-1.auth0.com",
        "ab.eu.auth0.com",
        "eu.auth0.com",
        "auth0.com",
        "xn--abc.eu.auth0.com",
        "live.eu.auth0.com.example.com",
        "liveauth0.com",
    ],
)
def test_undocumented_forms_are_not_hosts_of_auth0(domain: str) -> None:
    with pytest.raises(ReconcilerError, match="is not a host of Auth0"):
        choose_tenant(config(custom={"domain": domain}), "custom", {})
    assert choose_tenant(config(custom={"domain": domain}), "custom", {"AUTH0_DOMAIN": domain}).name == "custom"


def test_an_error_mentions_an_empty_domain_variable() -> None:
    with pytest.raises(ReconcilerError, match=r"in the environment \(AUTH0_DOMAIN is empty\)"):
        choose_tenant(config(custom={"domain": CUSTOM}), "custom", {"AUTH0_DOMAIN": " "})
    with pytest.raises(ReconcilerError, match=r"set AUTH0_DOMAIN \(it is empty\)"):
        choose_tenant(Config(), None, {"AUTH0_DOMAIN": ""})


@pytest.mark.parametrize(
    ("tenant", "audience"),
    [
        ({"domain": LIVE}, f"https://{OTHER}/api/v2/"),
        ({"domain": LIVE}, f"https://{LIVE}/api/v2"),
        ({"domain": LIVE}, "urn:x"),
        ({"domain": CUSTOM, "canonical_domain": LIVE}, f"https://{OTHER}/api/v2/"),
        ({"domain": CUSTOM, "canonical_domain": LIVE}, f"https://{CUSTOM}/api/v2/"),
    ],
)
def test_an_audience_of_another_tenant_is_refused(tenant: dict[str, str], audience: str) -> None:
    environment = {"AUTH0_DOMAIN": tenant["domain"], "AUTH0_AUDIENCE": audience}

    message = f"AUTH0_AUDIENCE is {audience}, but the canonical domain is {LIVE}"
    with pytest.raises(ReconcilerError, match=message) as caught:
        choose_tenant(config(custom=tenant), "custom", environment)
    assert ("correct canonical_domain" in str(caught.value)) is ("canonical_domain" in tenant)
    matching = environment | {"AUTH0_AUDIENCE": f" https://{LIVE.upper()}/api/v2/\n"}
    assert choose_tenant(config(custom=tenant), "custom", matching).name == "custom"


@pytest.mark.parametrize("ci", [{"CI": "true"}, {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "1"}], ids=str)
def test_in_ci_credentials_without_a_domain_are_reported(ci: dict[str, str]) -> None:
    tenant = config(live={"domain": LIVE, "credentials": "AUTH0_LIVE_"}).tenants["live"]

    assert unconfirmed_domain(tenant, ci) == (
        "AUTH0_LIVE_DOMAIN is not set: if a commit changes the domain of live, the new host gets the credentials",
        f"set AUTH0_LIVE_DOMAIN={LIVE} together with the credentials",
    )
    assert unconfirmed_domain(tenant, {**ci, "AUTH0_DOMAIN": LIVE}) is not None
    assert unconfirmed_domain(tenant, {**ci, "AUTH0_LIVE_DOMAIN": LIVE}) is None
    assert unconfirmed_domain(tenant, dict.fromkeys(ci, "false")) is None
    assert unconfirmed_domain(Tenant(name="local", domain=SANDBOX_DOMAIN, kind=TenantKind.SANDBOX), ci) is None


def test_the_expected_identity_comes_from_the_configuration_or_the_audience() -> None:
    parsed = config(
        live={"domain": f"{LIVE}:8443"},
        custom={"domain": CUSTOM, "canonical_domain": "https://Custom.eu.auth0.com/"},
        unknown={"domain": "login.example.net"},
        local={"kind": "sandbox"},
    )

    def expected(name: str, **environment: str) -> tuple[str | None, str, bool]:
        check = identity_check(parsed, parsed.tenants[name], environment)
        assert check
        return check.expected, check.source, check.is_configured

    audience = "https://seen.eu.auth0.com/api/v2/"
    assert expected("live") == (LIVE, "domain", True)
    assert expected("custom") == ("custom.eu.auth0.com", "canonical_domain", True)
    assert expected("unknown") == (None, "AUTH0_AUDIENCE", False)
    assert expected("unknown", AUTH0_AUDIENCE=audience) == ("seen.eu.auth0.com", "AUTH0_AUDIENCE", False)
    assert identity_check(parsed, parsed.tenants["local"], {}) is None


def test_a_tenant_named_like_a_domain_does_not_declare_that_domain() -> None:
    parsed = config(**{"localhost:1": {"domain": LIVE}})
    tenant = choose_tenant(parsed, None, {"AUTH0_DOMAIN": "localhost:1"})
    check = identity_check(parsed, tenant, {})

    assert check
    assert (check.is_declared, check.others) == (False, {f"{LIVE}": "localhost:1"})
