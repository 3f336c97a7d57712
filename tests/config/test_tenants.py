from pathlib import Path
from typing import Any

import pytest

from reconciler.config.file import parse_config
from reconciler.config.tenants import (
    SANDBOX_DOMAIN,
    Config,
    Tenant,
    TenantKind,
    check_environment,
    choose_tenant,
    choose_tenants,
    identity_check,
    unconfirmed_domain,
)
from reconciler.core.guards import Limits
from reconciler.core.pattern import ManagedScope, Pattern, Protect
from reconciler.core.policy import Policy, PolicyRule, Verdict
from reconciler.core.tenant_filter import TargetTenant, TargetTenants
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.loader import parse

LIVE = "live.eu.auth0.com"
OTHER = "other.eu.auth0.com"
STRANGE = "login.example.com"


def config(**tenants: dict[str, Any]) -> Config:
    return parse_config({"tenants": tenants}, "reconciler.yaml")


def problems(text: str) -> list[str]:
    data = parse(text.encode(), "reconciler.yaml").data
    assert isinstance(data, dict)
    with pytest.raises(ProblemsError) as caught:
        parse_config(data, "reconciler.yaml")
    return sorted(f"{problem.source}: {problem.message}" for problem in caught.value.problems)


def test_a_tenant_has_what_is_written_and_defaults_for_the_rest() -> None:
    parsed = parse_config({"tenants": {"live": {"domain": LIVE}}}, "reconciler.yaml")

    assert parsed.tenants == {"live": Tenant(name="live", domain=LIVE)}
    assert parsed.tenants["live"].limits == Limits(deletes_percent=30, updates_percent=50)
    assert (parsed.default_tenant, parsed.protect, parsed.file) == (None, (), "reconciler.yaml")


def test_an_empty_file_configures_nothing() -> None:
    assert parse_config({}, "reconciler.yaml") == Config()
    assert parse_config({"tenants": None, "protect": None, "limits": None}, "reconciler.yaml") == Config()


def test_paths_are_relative_to_the_file() -> None:
    sandbox = {"kind": "sandbox", "seed": "seed.yaml", "database": "state/a.db"}
    parsed = parse_config({"tenants": {"local": sandbox, "plain": {"kind": "sandbox"}}}, "environments/dev.yaml")

    local, plain = parsed.tenants["local"], parsed.tenants["plain"]
    assert (local.seed, local.database) == (Path("environments/seed.yaml"), Path("environments/state/a.db"))
    assert (plain.seed, plain.database) == (None, Path("environments/.reconciler/sandbox.db"))
    assert (plain.kind, plain.domain) == (TenantKind.SANDBOX, SANDBOX_DOMAIN)


def test_how_many_grants_an_organization_may_have_is_a_limit() -> None:
    parsed = parse_config({"limits": {"organization_grants": 1000}, "tenants": {"live": {"domain": LIVE}}}, "f")

    assert parsed.tenants["live"].limits == Limits(organization_grants=1000)
    assert Limits().organization_grants == 100


def test_protection_adds_up_and_limits_are_replaced_one_by_one() -> None:
    parsed = parse_config(
        {
            "protect": [{"client": "Legacy*", "reason": "ask first"}],
            "limits": {"deletes": 5, "updates": 6},
            "tenants": {"live": {"domain": LIVE, "protect": [{"audience": "*"}], "limits": {"updates": 7}}},
        },
        "reconciler.yaml",
    )

    shared = Protect(client="Legacy*", reason="ask first")
    assert parsed.protect == (shared,)
    assert parsed.tenants["live"].protect == (shared, Protect(audience="*"))
    assert parsed.tenants["live"].limits == Limits(deletes_percent=5, updates_percent=7)


def test_the_rules_of_a_tenants_policy_decide_before_the_shared_ones() -> None:
    shared = {"rule": "delete", "verdict": "deny", "client": "Legacy*", "reason": "ask first"}
    own = {"rule": "delete", "verdict": "allow"}
    parsed = parse_config(
        {
            "policy": {"rules": [shared]},
            "tenants": {"live": {"domain": LIVE, "policy": {"rules": [own]}}, "other": {"domain": OTHER}},
        },
        "reconciler.yaml",
    )

    of_all = PolicyRule("delete", Verdict.DENY, Pattern(client="Legacy*"), "ask first")
    assert parsed.tenants["live"].policy == Policy((PolicyRule("delete", Verdict.ALLOW), of_all))
    assert parsed.tenants["other"].policy == parsed.policy == Policy((of_all,))


def test_a_domain_that_no_file_names_takes_the_shared_settings() -> None:
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
    ids=["option-wins", "domain", "domain-as-address", "loopback-in-no-file", "domain-empty", "default"],
)
def test_the_option_wins_over_auth0_domain_which_wins_over_the_default(
    name: str | None, environment: dict[str, str], chosen: str
) -> None:
    tenants = {
        "default": {"kind": "sandbox"},
        "live": {"domain": LIVE},
        "other": {"kind": "sandbox", "database": "other.db"},
    }
    parsed = parse_config({"default_tenant": "default", "tenants": tenants}, "reconciler.yaml")

    assert choose_tenant(parsed, name, environment).name == chosen


def test_the_only_tenant_needs_no_default() -> None:
    assert choose_tenant(config(live={"domain": LIVE}), None, {}).name == "live"


def test_auth0_domain_never_chooses_a_sandbox() -> None:
    only_a_sandbox = config(local={"kind": "sandbox", "domain": "local.test"})

    tenant = choose_tenant(only_a_sandbox, None, {"AUTH0_DOMAIN": "local.test"}, allow_unnamed=True)

    assert (tenant.name, tenant.kind) == ("local.test", TenantKind.AUTH0)


@pytest.mark.parametrize(
    ("tenants", "name", "message"),
    [
        ({}, None, "no tenant is selected: use --tenant, set AUTH0_DOMAIN, or set default_tenant in reconciler.yaml"),
        ({"a": {"domain": LIVE}, "b": {"domain": OTHER}}, None, "no tenant is selected: use --tenant"),
        ({"live": {"domain": LIVE}}, "lvie", 'does not declare the tenant "lvie"; did you mean "live"'),
        ({"live": {"domain": LIVE}}, "zzz", 'does not declare the tenant "zzz"; declared are: live'),
        ({}, "zzz", 'does not declare the tenant "zzz"; declared are: none'),
    ],
    ids=["none", "several", "near-miss", "unknown", "unknown-among-none"],
)
def test_without_a_clear_choice_there_is_an_error(
    tenants: dict[str, dict[str, Any]], name: str | None, message: str
) -> None:
    with pytest.raises(ReconcilerError, match=message):
        choose_tenant(config(**tenants), name, {})


def test_every_slip_that_no_schema_sees_is_told_with_its_place() -> None:
    assert problems(
        """\
default_tenant: liev
tenants:
  live: {domain: live.eu.auth0.com}
  other:
    domain: http://other.eu.auth0.com
  third: {domain: "127.0.0.1:99999"}
"""
    ) == [
        'reconciler.yaml:1:17: this file does not declare the tenant "liev"; did you mean "live"?',
        (
            'reconciler.yaml:5:13: "http://other.eu.auth0.com": plain http would show the credentials to the network; '
            "remove http://"
        ),
        'reconciler.yaml:6:19: "127.0.0.1:99999" has an invalid port; the port must be between 1 and 65535',
    ]


def test_a_default_tenant_needs_tenants() -> None:
    assert problems("default_tenant: live") == [
        'reconciler.yaml:1:17: this file does not declare the tenant "live"; declared are: none',
    ]


def test_a_tenants_own_variables_go_before_the_shared_ones_and_its_host_is_built_in() -> None:
    shared = {"stage": "dev", "region": "eu"}
    parsed = parse_config(
        {"variables": shared, "tenants": {"live": {"domain": f"https://{LIVE}", "variables": {"stage": "prod"}}}},
        "reconciler.yaml",
    )

    assert parsed.tenants["live"].target == TargetTenant("live", {"stage": "prod", "region": "eu", "domain": LIVE})
    elsewhere = choose_tenant(parsed, None, {"AUTH0_DOMAIN": "new.auth0.com"}, allow_unnamed=True)
    assert elsewhere.target == TargetTenant("new.auth0.com", {**shared, "domain": "new.auth0.com"})


def test_files_are_read_for_the_chosen_tenant_or_for_all_or_for_whichever_there_may_be() -> None:
    parsed = config(live={"domain": LIVE}, local={"kind": "sandbox"})
    live, local = parsed.tenants.values()

    assert parsed.targets(live) == TargetTenants((live.target,), ("live", "local"))
    assert parsed.targets() == TargetTenants((live.target, local.target), ("live", "local"))
    assert parse_config({"variables": {"a": "b"}}, "x").targets().targets[0].values.keys() == {"a", "domain"}


def test_a_border_of_its_own_takes_the_shared_ones_place() -> None:
    parsed = parse_config(
        {
            "manage": [{"client": "*"}],
            "tenants": {"live": {"domain": LIVE, "manage": [{"client": "Billing *"}]}, "other": {"domain": OTHER}},
        },
        "reconciler.yaml",
    )

    assert parsed.tenants["live"].managed_scope == ManagedScope((Pattern(client="Billing *"),))
    assert parsed.tenants["other"].managed_scope == parsed.managed_scope == ManagedScope((Pattern(client="*"),))


def test_credentials_of_another_prefix_are_not_vouched_for_by_auth0_domain() -> None:
    parsed = config(prod={"domain": STRANGE, "credentials": "AUTH0_PROD_"}, dev={"domain": "dev.example.com"})

    with pytest.raises(ReconcilerError, match=f"set AUTH0_PROD_DOMAIN={STRANGE} in the environment"):
        choose_tenant(parsed, "prod", {"AUTH0_DOMAIN": STRANGE})
    with pytest.raises(ReconcilerError, match=r"set AUTH0_DOMAIN=dev\.example\.com in the environment"):
        choose_tenant(parsed, "dev", {"AUTH0_PROD_DOMAIN": "dev.example.com"})
    assert choose_tenant(parsed, "prod", {"AUTH0_PROD_DOMAIN": f"https://{STRANGE}/"}).name == "prod"


@pytest.mark.parametrize("domain", [STRANGE, f"https://{STRANGE}", "127.0.0.1:8321", "auth0.com.example.com"])
def test_a_host_outside_auth0_needs_the_environment_to_agree(domain: str) -> None:
    parsed = config(ours={"domain": domain})

    with pytest.raises(ReconcilerError, match=f"is not a host of Auth0; .* AUTH0_DOMAIN={domain}"):
        choose_tenant(parsed, "ours", {})
    with pytest.raises(ReconcilerError, match="is not a host of Auth0"):
        choose_tenant(parsed, "ours", {"AUTH0_DOMAIN": LIVE})
    assert choose_tenant(parsed, "ours", {"AUTH0_DOMAIN": domain}).name == "ours"
    assert choose_tenant(parsed, None, {"AUTH0_DOMAIN": domain}).name == "ours"


@pytest.mark.parametrize("name", ["ours", None], ids=["named", "the-only-one"])
def test_the_environment_need_not_agree_on_hosts_of_auth0(name: str | None) -> None:
    for domain in (LIVE, f"{LIVE}:443", f"{LIVE}.", "old-tenant.auth0.com", "abc.ca.auth0.com"):
        assert choose_tenant(config(ours={"domain": domain}), name, {}).name == "ours"


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
def test_it_is_https_everywhere_but_on_loopback(domain: str, host: str, base_url: str) -> None:
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
def test_what_is_no_domain_is_refused_wherever_it_stands(domain: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        config(live={"domain": domain})
    assert [problem.what for problem in caught.value.problems] == [f'"{domain}" is not a valid domain']
    with pytest.raises(ReconcilerError, match="is not a valid domain; write it like"):
        choose_tenant(Config(), None, {"AUTH0_DOMAIN": domain})


@pytest.mark.parametrize("domain", ["", f"{LIVE}\n"], ids=["empty", "line-end"])
def test_a_file_says_a_domain_exactly(domain: str) -> None:
    with pytest.raises(ProblemsError):
        config(live={"domain": domain})


@pytest.mark.parametrize("domain", [f"http://{LIVE}", "http://127.0.0.1.example.com", "http://localhost.example.com"])
def test_plain_http_is_refused_outside_loopback(domain: str) -> None:
    with pytest.raises(ProblemsError):
        config(live={"domain": domain})
    with pytest.raises(ReconcilerError, match="plain http"):
        choose_tenant(Config(), None, {"AUTH0_DOMAIN": domain})


def test_two_sandboxes_with_one_database_would_be_one_tenant() -> None:
    text = "tenants:\n  a: {kind: sandbox}\n  b: {kind: sandbox, database: ./.reconciler/sandbox.db}\n"

    (said,) = problems(text)

    assert said == (
        'reconciler.yaml:3:32: this sandbox has the same database as "a": both would be the same tenant; '
        "give it its own database, like database: .reconciler/b.db"
    )


@pytest.mark.parametrize(
    "written",
    [LIVE, LIVE.upper(), f"{LIVE}.", f"{LIVE}:443", f"https://{LIVE}/", f"HTTPS://{LIVE}.:443/"],
)
def test_a_domain_in_any_spelling_is_the_declared_tenant_with_its_guards(written: str) -> None:
    parsed = config(live={"domain": LIVE, "protect": [{"client": "Legacy"}]}, other={"domain": OTHER})

    tenant = choose_tenant(parsed, None, {"AUTH0_DOMAIN": written})

    assert (tenant.name, tenant.protect) == ("live", (Protect(client="Legacy"),))
    assert choose_tenant(parsed, "live", {"AUTH0_DOMAIN": written}) == tenant


@pytest.mark.parametrize("written", ["localhost:8321", "127.0.0.1:8321", "[::1]:8321", "http://LOCALHOST.:8321/"])
def test_all_names_of_loopback_are_one_host(written: str) -> None:
    parsed = config(live={"domain": "127.0.0.1:8321", "protect": [{"client": "Legacy"}]})

    assert choose_tenant(parsed, None, {"AUTH0_DOMAIN": written}).name == "live"
    assert choose_tenant(parsed, None, {"AUTH0_DOMAIN": "localhost:8322"}).name == "localhost:8322"


@pytest.mark.parametrize("domain", ["new.auth0.com", f"{LIVE}:8443", f"x.{LIVE}", STRANGE, "127.0.0.2", "127.1"])
def test_a_domain_that_is_none_of_the_declared_ones_is_refused(domain: str) -> None:
    declared = {"live": {"domain": LIVE}, "local": {"kind": "sandbox"}}
    parsed = parse_config({"protect": [{"client": "A"}], "tenants": declared}, "reconciler.yaml")

    with pytest.raises(ReconcilerError, match="declares no tenant with the domain") as caught:
        choose_tenant(parsed, None, {"AUTH0_DOMAIN": domain})
    allowed = choose_tenant(parsed, None, {"AUTH0_DOMAIN": domain}, allow_unnamed=True)

    assert "--allow-unnamed-tenant" in str(caught.value)
    assert (allowed.name, allowed.protect) == (domain, (Protect(client="A"),))


def test_without_declared_tenants_every_domain_may_be_unnamed() -> None:
    assert choose_tenant(Config(), None, {"AUTH0_DOMAIN": "new.auth0.com"}).name == "new.auth0.com"


@pytest.mark.parametrize(
    ("domains", "place"),
    [
        ("a: {domain: live.eu.auth0.com}\n  b: {domain: https://LIVE.eu.auth0.com.:443/}", "3:15"),
        ("a: {domain: 127.0.0.1:1}\n  b: {domain: localhost:1}", "3:15"),
        ("a: {domain: live.eu.auth0.com}\n  b: {domain: x.example, canonical_domain: live.eu.auth0.com}", "3:44"),
        ("a: {domain: x.example, canonical_domain: live.eu.auth0.com}\n  b: {domain: live.eu.auth0.com}", "3:15"),
        (
            "a: {domain: x.xy, canonical_domain: z.xy}\n  b: {domain: y.xy, canonical_domain: z.xy}",
            "3:39",
        ),
    ],
    ids=["spelling", "loopback", "canonical", "canonical-first", "both-canonical"],
)
def test_two_tenants_with_one_host_are_a_problem_at_the_second_one(domains: str, place: str) -> None:
    (said,) = problems(f"tenants:\n  {domains}\n")

    assert said.startswith(f"reconciler.yaml:{place}: ")
    assert 'the tenant "a" already has the domain ' in said
    assert said.endswith(": both would be the same tenant; remove one of the two, or correct its domain")


def test_sandboxes_may_share_a_domain_with_anybody() -> None:
    parsed = config(
        live={"domain": "a.example"},
        one={"kind": "sandbox", "domain": "a.example"},
        two={"kind": "sandbox", "database": "2.db"},
    )

    assert len(parsed.tenants) == 3


def test_a_canonical_domain_that_contradicts_the_domain_is_a_problem() -> None:
    (said,) = problems("tenants:\n  a: {domain: live.eu.auth0.com, canonical_domain: other.eu.auth0.com}\n")
    assert said == (
        "reconciler.yaml:2:52: the domain live.eu.auth0.com is also a canonical domain, of another tenant; "
        "remove canonical_domain, or correct one of the two"
    )
    assert problems("tenants:\n  a: {domain: x.example, canonical_domain: a b}\n") == [
        'reconciler.yaml:2:44: "a b" is not a valid domain; write it like example.eu.auth0.com',
    ]
    assert problems("tenants:\n  a: {domain: a b, canonical_domain: other.eu.auth0.com}\n") == [
        'reconciler.yaml:2:15: "a b" is not a valid domain; write it like example.eu.auth0.com',
    ]


@pytest.mark.parametrize("name", ["live", None], ids=["named", "the-only-one"])
@pytest.mark.parametrize("domain", [OTHER, "live.us.auth0.com", f"{LIVE}:8443", STRANGE, "127.0.0.1:1"])
def test_credentials_of_another_domain_are_never_sent_to_a_tenant(name: str | None, domain: str) -> None:
    parsed = config(live={"domain": LIVE, "credentials": "AUTH0_LIVE_"})

    with pytest.raises(ReconcilerError, match=rf"AUTH0_LIVE_DOMAIN is {domain}, but the tenant's domain is {LIVE}"):
        choose_tenant(parsed, name, {"AUTH0_LIVE_DOMAIN": domain})
    assert choose_tenant(parsed, "live", {"AUTH0_DOMAIN": domain}).name == "live"


def test_a_domain_variable_that_is_not_a_domain_is_named() -> None:
    parsed = config(live={"domain": LIVE, "credentials": "AUTH0_LIVE_"})

    with pytest.raises(ReconcilerError, match='AUTH0_LIVE_DOMAIN: "a b" is not a valid domain'):
        choose_tenant(parsed, "live", {"AUTH0_LIVE_DOMAIN": "a b"})


def test_of_several_tenants_the_one_that_differs_is_refused_when_it_is_reached() -> None:
    parsed = config(dev={"domain": OTHER}, prod={"domain": LIVE})
    environment = {"AUTH0_DOMAIN": OTHER}

    dev, prod = choose_tenants(parsed, [], environment, every=True)

    check_environment(dev, environment)
    with pytest.raises(ReconcilerError, match="give each its own prefix, like credentials: AUTH0_PROD_"):
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
def test_only_the_documented_forms_are_hosts_of_auth0(domain: str) -> None:
    with pytest.raises(ReconcilerError, match="is not a host of Auth0"):
        choose_tenant(config(ours={"domain": domain}), "ours", {})
    assert choose_tenant(config(ours={"domain": domain}), "ours", {"AUTH0_DOMAIN": domain}).name == "ours"


def test_a_domain_variable_that_is_empty_is_told() -> None:
    with pytest.raises(ReconcilerError, match=r"in the environment \(AUTH0_DOMAIN is empty\)"):
        choose_tenant(config(ours={"domain": STRANGE}), "ours", {"AUTH0_DOMAIN": " "})
    with pytest.raises(ReconcilerError, match=r"set AUTH0_DOMAIN \(it is empty\)"):
        choose_tenant(Config(), None, {"AUTH0_DOMAIN": ""})


@pytest.mark.parametrize(
    ("tenant", "audience"),
    [
        ({"domain": LIVE}, f"https://{OTHER}/api/v2/"),
        ({"domain": LIVE}, f"https://{LIVE}/api/v2"),
        ({"domain": LIVE}, "urn:x"),
        ({"domain": STRANGE, "canonical_domain": LIVE}, f"https://{OTHER}/api/v2/"),
        ({"domain": STRANGE, "canonical_domain": LIVE}, f"https://{STRANGE}/api/v2/"),
    ],
)
def test_an_audience_of_another_tenant_is_refused(tenant: dict[str, str], audience: str) -> None:
    environment = {"AUTH0_DOMAIN": tenant["domain"], "AUTH0_AUDIENCE": audience}

    with pytest.raises(ReconcilerError, match=f"AUTH0_AUDIENCE is {audience}, but the canonical domain is {LIVE}"):
        choose_tenant(config(ours=tenant), "ours", environment)
    agreed = environment | {"AUTH0_AUDIENCE": f" https://{LIVE.upper()}/api/v2/\n"}
    assert choose_tenant(config(ours=tenant), "ours", agreed).name == "ours"


@pytest.mark.parametrize("ci", [{"CI": "true"}, {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "1"}], ids=str)
def test_in_ci_credentials_without_a_domain_are_reported(ci: dict[str, str]) -> None:
    tenant = config(live={"domain": LIVE, "credentials": "AUTH0_LIVE_"}).tenants["live"]

    assert unconfirmed_domain(tenant, ci) == (
        "AUTH0_LIVE_DOMAIN is not set: a change of the domain of live would send credentials to another host",
        f"set AUTH0_LIVE_DOMAIN={LIVE} next to the credentials",
    )
    assert unconfirmed_domain(tenant, {**ci, "AUTH0_DOMAIN": LIVE}) is not None
    assert unconfirmed_domain(tenant, {**ci, "AUTH0_LIVE_DOMAIN": LIVE}) is None
    assert unconfirmed_domain(tenant, dict.fromkeys(ci, "false")) is None
    assert unconfirmed_domain(Tenant(name="local", domain=SANDBOX_DOMAIN, kind=TenantKind.SANDBOX), ci) is None


def test_the_identity_is_the_one_that_the_configuration_or_the_audience_says() -> None:
    parsed = config(
        live={"domain": f"{LIVE}:8443"},
        custom={"domain": STRANGE, "canonical_domain": "https://Custom.eu.auth0.com/"},
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


def test_a_name_that_looks_like_a_domain_does_not_declare_that_domain() -> None:
    parsed = config(**{"localhost:1": {"domain": LIVE}})
    tenant = choose_tenant(parsed, None, {"AUTH0_DOMAIN": "localhost:1"})
    check = identity_check(parsed, tenant, {})

    assert check
    assert (check.is_declared, check.others) == (False, {f"{LIVE}": "localhost:1"})


@pytest.mark.parametrize("name", ["*", "eu-*", "eu-?"])
def test_a_tenant_may_not_be_named_like_a_pattern(name: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        parse_config({"tenants": {name: {"domain": "x.auth0.com"}}}, "reconciler.yaml")

    (problem,) = caught.value.problems
    assert problem.what == f'the tenant name "{name}" contains a wildcard (* or ?)'
