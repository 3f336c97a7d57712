from pathlib import Path
from typing import Any

import pytest

from reconciler.config.file import parse_config
from reconciler.config.tenants import Config
from reconciler.core.characters import quote_text
from reconciler.core.fleet.rollout import Rollout, Wave
from reconciler.core.pattern import ManagedScope, Pattern, Protect
from reconciler.core.settings import Limits, Policy, PolicyRule, Verdict
from reconciler.core.tenant import SANDBOX_DOMAIN, Tenant, TenantKind
from reconciler.errors import ProblemsError
from reconciler.files.loader import parse

LIVE = "live.eu.auth0.com"
OTHER = "other.eu.auth0.com"
CUSTOM = "login.example.com"


def config(**tenants: dict[str, Any]) -> Config:
    return parse_config({"tenants": tenants}, "reconciler.yaml")


def problems_of(text: str) -> list[str]:
    data = parse(text.encode(), "reconciler.yaml").data
    assert isinstance(data, dict)
    with pytest.raises(ProblemsError) as caught:
        parse_config(data, "reconciler.yaml")
    return sorted(f"{problem.source}: {problem.message}" for problem in caught.value.problems)


def test_missing_settings_of_a_tenant_have_defaults() -> None:
    parsed = parse_config({"tenants": {"live": {"domain": LIVE}}}, "reconciler.yaml")

    assert parsed.tenants == {"live": Tenant(name="live", domain=LIVE)}
    assert parsed.tenants["live"].limits == Limits(deletes_percent=30, updates_percent=50)
    assert (parsed.default_tenant, parsed.protect, parsed.file) == (None, (), "reconciler.yaml")


def test_an_empty_file_is_an_empty_configuration() -> None:
    assert parse_config({}, "reconciler.yaml") == Config()
    assert parse_config({"tenants": None, "protect": None, "limits": None}, "reconciler.yaml") == Config()


def test_paths_are_relative_to_the_file() -> None:
    sandbox = {"kind": "sandbox", "seed": "seed.yaml", "database": "state/a.db"}
    parsed = parse_config({"tenants": {"local": sandbox, "plain": {"kind": "sandbox"}}}, "environments/dev.yaml")

    local, plain = parsed.tenants["local"], parsed.tenants["plain"]
    assert (local.seed, local.database) == (Path("environments/seed.yaml"), Path("environments/state/a.db"))
    assert (plain.seed, plain.database) == (None, Path("environments/.reconciler/sandbox.db"))
    assert (plain.kind, plain.domain) == (TenantKind.SANDBOX, SANDBOX_DOMAIN)


def test_the_limit_of_grants_per_organization_can_be_set() -> None:
    parsed = parse_config({"limits": {"organization_grants": 1000}, "tenants": {"live": {"domain": LIVE}}}, "f")

    assert parsed.tenants["live"].limits == Limits(organization_grants=1000)
    assert Limits().organization_grants == 100


def test_protect_is_concatenated_and_limits_are_merged_by_key() -> None:
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


def test_policy_rules_of_a_tenant_come_before_shared_rules() -> None:
    shared = {"rule": "delete", "verdict": "deny", "client": "Legacy*", "reason": "ask first"}
    own = {"rule": "delete", "verdict": "allow"}
    parsed = parse_config(
        {
            "policy": {"rules": [shared]},
            "tenants": {"live": {"domain": LIVE, "policy": {"rules": [own]}}, "other": {"domain": OTHER}},
        },
        "reconciler.yaml",
    )

    shared_rule = PolicyRule("delete", Verdict.DENY, Pattern(client="Legacy*"), "ask first")
    assert parsed.tenants["live"].policy == Policy((PolicyRule("delete", Verdict.ALLOW), shared_rule))
    assert parsed.tenants["other"].policy == parsed.policy == Policy((shared_rule,))


def test_problems_beyond_the_schema_are_reported_at_their_positions() -> None:
    assert problems_of(
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


def test_an_undeclared_default_tenant_is_a_problem() -> None:
    assert problems_of("default_tenant: live") == [
        'reconciler.yaml:1:17: this file does not declare the tenant "live"; declared tenants: none',
    ]


def test_manage_of_a_tenant_replaces_the_shared_one() -> None:
    parsed = parse_config(
        {
            "manage": [{"client": "*"}],
            "tenants": {"live": {"domain": LIVE, "manage": [{"client": "Billing *"}]}, "other": {"domain": OTHER}},
        },
        "reconciler.yaml",
    )

    assert parsed.tenants["live"].managed_scope == ManagedScope((Pattern(client="Billing *"),))
    assert parsed.tenants["other"].managed_scope == parsed.managed_scope == ManagedScope((Pattern(client="*"),))


@pytest.mark.parametrize("domain", ["", f"{LIVE}\n"], ids=["empty", "line break"])
def test_an_empty_domain_or_a_line_break_is_refused_in_files(domain: str) -> None:
    with pytest.raises(ProblemsError):
        config(live={"domain": domain})


def test_two_sandboxes_with_one_database_are_a_problem() -> None:
    text = "tenants:\n  a: {kind: sandbox}\n  b: {kind: sandbox, database: ./.reconciler/sandbox.db}\n"

    (problem,) = problems_of(text)

    assert problem == (
        'reconciler.yaml:3:32: this sandbox has the database of "a", so both names mean the same tenant; '
        "use another database for this sandbox, for example database: .reconciler/b.db"
    )


@pytest.mark.parametrize(
    ("domains", "position"),
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
    ids=["spelling", "loopback", "canonical domain", "canonical domain first", "two canonical domains"],
)
def test_two_tenants_with_one_host_are_a_problem_at_the_second(domains: str, position: str) -> None:
    (problem,) = problems_of(f"tenants:\n  {domains}\n")

    assert problem.startswith(f"reconciler.yaml:{position}: ")
    assert 'the tenant "a" already has the domain ' in problem
    assert problem.endswith(
        ", so both names mean the same tenant; correct the domain, or remove one of the two tenants"
    )


def test_a_sandbox_may_have_the_domain_of_another_tenant() -> None:
    parsed = config(
        live={"domain": "a.example"},
        one={"kind": "sandbox", "domain": "a.example"},
        two={"kind": "sandbox", "database": "2.db"},
    )

    assert len(parsed.tenants) == 3


def test_a_contradictory_or_invalid_canonical_domain_is_a_problem() -> None:
    (problem,) = problems_of("tenants:\n  a: {domain: live.eu.auth0.com, canonical_domain: other.eu.auth0.com}\n")
    assert problem == (
        "reconciler.yaml:2:52: the domain live.eu.auth0.com is the canonical domain of another tenant; "
        "remove canonical_domain, or correct one of the two domains"
    )
    assert problems_of("tenants:\n  a: {domain: x.example, canonical_domain: a b}\n") == [
        'reconciler.yaml:2:44: "a b" is not a valid domain; use a domain like example.eu.auth0.com',
    ]
    assert problems_of("tenants:\n  a: {domain: a b, canonical_domain: other.eu.auth0.com}\n") == [
        'reconciler.yaml:2:15: "a b" is not a valid domain; use a domain like example.eu.auth0.com',
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        *((name, "contains a wildcard (* or ?), which grant files use in patterns") for name in ("*", "eu-*", "eu-?")),
        *((name, "contains a space") for name in ("prod eu", " prod", "prod\t", "prod\u00a0eu", "a\nb")),
        ("eu,us", "contains a comma, which separates names in RECONCILER_TENANT"),
        ("-prod", "starts with - like an option"),
        *((name, "contains a comma, which separates names in RECONCILER_TENANT") for name in ("a,b", "a,", ",")),
    ],
)
def test_a_tenant_name_that_is_not_valid_is_a_problem(name: str, problem: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        parse_config({"tenants": {name: {"domain": "x.auth0.com"}}}, "reconciler.yaml")

    (found,) = caught.value.problems
    assert found.what == f"the tenant name {quote_text(name)} {problem}"


@pytest.mark.parametrize("name", ["pr\u043ed", "\u0440rod", "prod\u0301", "\uff50rod"])
def test_tenant_names_that_look_alike_are_a_problem(name: str) -> None:
    tenants = {each: {"domain": f"{each!a}.eu.auth0.com"} for each in ("prod", name)}
    with pytest.raises(ProblemsError) as caught:
        parse_config({"tenants": tenants}, "reconciler.yaml")

    assert f'the tenant names "prod" and {quote_text(name)} look alike' in [each.what for each in caught.value.problems]


def test_tenant_names_in_ascii_may_be_similar() -> None:
    config = parse_config({"tenants": {name: {"domain": f"{name}.auth0.com"} for name in ("eu1", "eul")}}, "a.yaml")

    assert list(config.tenants) == ["eu1", "eul"]


def test_an_empty_tenant_name_is_a_problem() -> None:
    assert problems_of('tenants: {"": {domain: x.auth0.com}}') == [
        "reconciler.yaml:1:15: the tenant name is empty; rename the tenant"
    ]


@pytest.mark.parametrize("domain", ["example", "EXAMPLE", "https://example", "example.", "1234"])
@pytest.mark.parametrize("key", ["domain", "canonical_domain"])
def test_a_domain_without_a_dot_is_a_problem(key: str, domain: str) -> None:
    other = "domain: x.auth0.com, " if key == "canonical_domain" else ""

    (problem,) = problems_of(f"tenants: {{a: {{{other}{key}: '{domain}'}}}}")

    assert f'"{domain}" is not a complete domain (it has no dot); use a domain like example.eu.auth0.com' in problem


def test_a_domain_without_a_dot_may_have_a_port_or_be_a_loopback_address() -> None:
    for domain in ("localhost", "localhost:8321", "[::1]:8321", "https://sandbox:8443"):
        assert config(a={"domain": domain}).tenants["a"].domain == domain


WAVES = """\
waves:
  - {name: canary, tenants: [t001]}
  - {name: eu, tenants: ["eu-*"]}
  - {name: rest, tenants: ["*"]}
tenants:
  t001: {domain: t001.eu.auth0.com}
  eu-1: {domain: eu-1.eu.auth0.com}
  us: {domain: us-1.us.auth0.com}
"""


def test_waves_are_read_in_their_order() -> None:
    data = parse(f"{WAVES}stop_after: 3\n".encode(), "reconciler.yaml").data
    assert isinstance(data, dict)

    rollout = parse_config(data, "reconciler.yaml").rollout
    assert rollout == Rollout(
        (Wave("canary", ("t001",)), Wave("eu", ("eu-*",)), Wave("rest", ("*",))),
        stop_after=3,
    )
    assert parse_config({}, "reconciler.yaml").rollout == Rollout(stop_after=1)


NAME_TWICE = 'the wave name "canary" is used twice, first on line 2; use a different name for each wave'
UNKNOWN_TENANT = 'this file does not declare the tenant "t01"; did you mean "t001"?'
ADVICE = 'add a last wave for the remaining tenants: {name: rest, tenants: ["*"]}'
ONE = f"no wave includes the tenant us, so `apply --all-tenants` would omit the tenant; {ADVICE}"
TWO = f"no wave includes the tenants eu-1 and us, so `apply --all-tenants` would omit the tenants; {ADVICE}"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: eu", "name: canary", f"reconciler.yaml:3:12: {NAME_TWICE}"),
        ("[t001]", "[us, t01]", f"reconciler.yaml:2:34: {UNKNOWN_TENANT}"),
        ('"*"', "us", ""),
        ('["*"]', '["t*"]', f"reconciler.yaml:2:3: {ONE}"),
        ('"eu-*"]}\n  - {name: rest, tenants: ["*"]}', '"x-*"]}', f"reconciler.yaml:2:3: {TWO}"),
    ],
    ids=["name-twice", "unknown-tenant", "by-name", "one-without-wave", "two-without-wave"],
)
def test_every_tenant_must_belong_to_a_wave(old: str, new: str, problem: str) -> None:
    text = WAVES.replace(old, new)
    assert text != WAVES
    if problem:
        assert problems_of(text) == [problem]
    else:
        data = parse(text.encode(), "reconciler.yaml").data
        assert isinstance(data, dict)
        assert parse_config(data, "reconciler.yaml").rollout.wave_of("us") == "rest"


def test_stop_after_needs_waves() -> None:
    assert problems_of("stop_after: 2\n") == [
        "reconciler.yaml:1:13: stop_after has no effect without waves; declare waves, or remove stop_after"
    ]
