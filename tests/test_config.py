from pathlib import Path
from typing import Any

import pytest

from reconciler.config import SANDBOX_DOMAIN, Config, Kind, Tenant, choose_tenant
from reconciler.config_file import parse_config
from reconciler.core.limits import Limits
from reconciler.core.pattern import Border, Pattern, Protect
from reconciler.core.policy import Policy, PolicyRule, Verdict
from reconciler.core.tenancy import Target, Tenants
from reconciler.errors import ProblemsError, ReconcilerError
from reconciler.files.loader import parse

LIVE = "live.eu.auth0.com"
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
    assert (plain.kind, plain.domain) == (Kind.SANDBOX, SANDBOX_DOMAIN)


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
            "tenants": {"live": {"domain": LIVE, "policy": {"rules": [own]}}, "other": {"domain": LIVE}},
        },
        "reconciler.yaml",
    )

    of_all = PolicyRule("delete", Verdict.DENY, Pattern(client="Legacy*"), "ask first")
    assert parsed.policy_of("live") == Policy((PolicyRule("delete", Verdict.ALLOW), of_all))
    assert parsed.policy_of("other") == parsed.policy_of("undeclared") == Policy((of_all,))


def test_a_domain_that_no_file_names_takes_the_shared_settings() -> None:
    parsed = parse_config({"protect": [{"client": "A"}], "limits": {"deletes": 1}}, "reconciler.yaml")
    tenant = choose_tenant(parsed, None, {"AUTH0_DOMAIN": f" {LIVE} "})

    assert (tenant.name, tenant.domain, tenant.kind) == (LIVE, LIVE, Kind.AUTH0)
    assert (tenant.protect, tenant.limits.deletes_percent) == ((Protect(client="A"),), 1)


@pytest.mark.parametrize(
    ("name", "environment", "chosen"),
    [
        ("other", {"AUTH0_DOMAIN": LIVE}, "other"),
        (None, {"AUTH0_DOMAIN": LIVE}, "live"),
        (None, {"AUTH0_DOMAIN": f"https://{LIVE.upper()}/"}, "live"),
        (None, {"AUTH0_DOMAIN": "new.auth0.com"}, "new.auth0.com"),
        (None, {"AUTH0_DOMAIN": " "}, "default"),
        (None, {}, "default"),
    ],
    ids=["option-wins", "domain", "domain-as-address", "domain-in-no-file", "domain-empty", "default"],
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
    tenant = choose_tenant(config(local={"kind": "sandbox", "domain": LIVE}), None, {"AUTH0_DOMAIN": LIVE})

    assert (tenant.name, tenant.kind) == (LIVE, Kind.AUTH0)


@pytest.mark.parametrize(
    ("tenants", "name", "message"),
    [
        ({}, None, "no tenant: use --tenant, set AUTH0_DOMAIN, or name default_tenant in reconciler.yaml"),
        ({"a": {"domain": LIVE}, "b": {"domain": LIVE}}, None, "no tenant: use --tenant"),
        ({"live": {"domain": LIVE}}, "lvie", 'no tenant "lvie"; did you mean "live"'),
        ({"live": {"domain": LIVE}}, "zzz", 'no tenant "zzz"; declared are: live'),
        ({}, "zzz", 'no tenant "zzz"; declared are: none'),
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
        'reconciler.yaml:1:17: this file declares no tenant "liev"; did you mean "live"?',
        (
            'reconciler.yaml:5:13: "http://other.eu.auth0.com": plain http would show the credentials to the network; '
            "leave http:// out"
        ),
        'reconciler.yaml:6:19: "127.0.0.1:99999" has a port that cannot be; ports end at 65535',
    ]


def test_a_default_tenant_needs_tenants() -> None:
    assert problems("default_tenant: live") == [
        'reconciler.yaml:1:17: this file declares no tenant "live"; declared are: none',
    ]


def test_a_tenants_own_variables_go_before_the_shared_ones_and_its_host_is_built_in() -> None:
    shared = {"stage": "dev", "region": "eu"}
    parsed = parse_config(
        {"variables": shared, "tenants": {"live": {"domain": f"https://{LIVE}", "variables": {"stage": "prod"}}}},
        "reconciler.yaml",
    )

    assert parsed.tenants["live"].target == Target("live", {"stage": "prod", "region": "eu", "domain": LIVE})
    elsewhere = choose_tenant(parsed, None, {"AUTH0_DOMAIN": "new.auth0.com"})
    assert elsewhere.target == Target("new.auth0.com", {**shared, "domain": "new.auth0.com"})


def test_files_are_read_for_the_chosen_tenant_or_for_all_or_for_whichever_there_may_be() -> None:
    parsed = config(live={"domain": LIVE}, local={"kind": "sandbox"})
    live, local = parsed.tenants.values()

    assert parsed.readers(live) == Tenants((live.target,), ("live", "local"))
    assert parsed.readers() == Tenants((live.target, local.target), ("live", "local"))
    assert parse_config({"variables": {"a": "b"}}, "x").readers().targets[0].values.keys() == {"a", "domain"}


def test_a_border_of_its_own_takes_the_shared_ones_place() -> None:
    parsed = parse_config(
        {
            "manage": [{"client": "*"}],
            "tenants": {"live": {"domain": LIVE, "manage": [{"client": "Billing *"}]}, "other": {"domain": LIVE}},
        },
        "reconciler.yaml",
    )

    assert parsed.tenants["live"].border == Border((Pattern(client="Billing *"),))
    assert parsed.tenants["other"].border == parsed.border == Border((Pattern(client="*"),))


def test_credentials_of_another_prefix_are_not_vouched_for_by_auth0_domain() -> None:
    parsed = config(prod={"domain": STRANGE, "credentials": "AUTH0_PROD_"}, dev={"domain": STRANGE})

    with pytest.raises(ReconcilerError, match=f"set AUTH0_PROD_DOMAIN={STRANGE} in the environment"):
        choose_tenant(parsed, "prod", {"AUTH0_DOMAIN": STRANGE})
    with pytest.raises(ReconcilerError, match=f"set AUTH0_DOMAIN={STRANGE} in the environment"):
        choose_tenant(parsed, "dev", {"AUTH0_PROD_DOMAIN": STRANGE})
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
    assert choose_tenant(config(ours={"domain": "a.b.us.auth0.com:443"}), name, {}).host == "a.b.us.auth0.com:443"


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
        "münchen.auth0.com",
    ],
)
def test_what_is_no_domain_is_refused_wherever_it_stands(domain: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        config(live={"domain": domain})
    assert [problem.what for problem in caught.value.problems] == [f'"{domain}" is no domain']
    with pytest.raises(ReconcilerError, match="is no domain; write it like"):
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
        'reconciler.yaml:3:32: this sandbox has the database of "a": they would be one tenant; '
        "give it one of its own, like database: .reconciler/b.db"
    )


def test_a_domain_of_several_tenants_does_not_say_which() -> None:
    twice = config(one={"domain": LIVE}, other={"domain": f"https://{LIVE}/"})

    with pytest.raises(ReconcilerError, match=r"several tenants of reconciler\.yaml: one, other; say"):
        choose_tenant(twice, None, {"AUTH0_DOMAIN": LIVE})
