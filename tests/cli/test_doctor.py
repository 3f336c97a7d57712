from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import GRANTS, SEED, CommandResult, reconciler, served

from reconciler.doctor.checks import AT_THE_TENANT

HERE = ("configuration", "tenant", "grants")
ENOUGH = (
    'scope: ["read:client_grants", "read:clients", "read:resource_servers", '
    '"create:client_grants", "update:client_grants", "delete:client_grants"]'
)


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    """A workspace in which reconciler has exactly the required permissions."""
    (here / "tenant.yaml").write_text(SEED.replace("name: Reconciler,", f"name: Reconciler, {ENOUGH},"), "utf-8")
    return here


@pytest.fixture
def tenant(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A served tenant, with its credentials in the environment."""
    with served(here) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield monkeypatch


def statuses(ran: CommandResult) -> dict[str, str]:
    return {each["check"]: each["status"] for each in ran.data["checks"]}


def test_all_checks_pass() -> None:
    ran = reconciler("doctor")

    assert (ran.code, ran.stderr) == (0, "")
    assert [line.split()[0] for line in ran.stdout.splitlines()[:15]] == ["ok"] * 5 + ["skipped"] + ["ok"] * 9
    assert ran.stdout.endswith("\n\nChecks: 15 ok, 1 skipped.\n")
    assert max(map(len, ran.stdout.splitlines())) <= 80


@pytest.mark.usefixtures("tenant")
def test_a_tenant_on_the_network_is_checked() -> None:
    ran = reconciler("doctor", "--format", "json")

    assert ran.code == 0
    assert statuses(ran) == dict.fromkeys([*HERE, *AT_THE_TENANT], "ok")


def test_a_warning_does_not_fail(here: Path) -> None:
    (here / "tenant.yaml").write_text(SEED, "utf-8")
    ran = reconciler("doctor", "--format", "json")

    assert (ran.code, statuses(ran)["least privilege"]) == (0, "warning")


@pytest.mark.parametrize(
    ("file", "text", "expected", "shown"),
    [
        ("reconciler.yaml", "tenants: [\n", {"configuration": "failed", "tenant": "skipped"}, "reconciler.yaml:2:1: "),
        ("reconciler.yaml", "default_tenant: x\n", {"configuration": "failed"}, 'does not declare the tenant "x"'),
        ("reconciler.yaml", "{}\n", {"configuration": "ok", "tenant": "failed"}, "no tenant is selected: use --tenant"),
        ("grants/billing.yaml", "grants: 1\nx: 2\n", {"grants": "failed"}, "(and 1 more)"),
        ("grants/billing.yaml", GRANTS + "      - read:invoices\n", {"grants": "failed"}, "billing.yaml:"),
    ],
    ids=["syntax", "default", "none", "grants", "twice"],
)
def test_an_invalid_file_does_not_stop_other_checks(
    here: Path, file: str, text: str, expected: dict[str, str], shown: str
) -> None:
    (here / file).write_text(text, encoding="utf-8")
    ran = reconciler("doctor", "--format", "json")

    assert (ran.code, ran.stderr) == (1, "")
    assert expected.items() <= statuses(ran).items()
    assert shown in ran.stdout.replace('\\"', '"')
    assert {*AT_THE_TENANT} <= statuses(ran).keys()


def test_a_missing_folder_of_grants_is_a_failure() -> None:
    ran = reconciler("doctor", "--grants", "no", "--format", "json")

    assert (ran.code, statuses(ran)["grants"], statuses(ran)["API"]) == (1, "failed", "ok")


def test_warnings_in_grant_files_are_reported(here: Path) -> None:
    odd = GRANTS.replace("write:invoices", '"write:\\"invoices"')
    (here / "grants" / "billing.yaml").write_text(odd, encoding="utf-8")
    ran = reconciler("doctor", "--format", "json")

    assert (ran.code, statuses(ran)["grants"]) == (0, "warning")


def test_a_tenant_is_chosen_by_its_name() -> None:
    ran = reconciler("doctor", "--tenant", "locall")

    assert ran.code == 1
    assert 'did you mean "local"?' in " ".join(ran.stdout.split())
    assert "skipped  clock" in ran.stdout


def test_wrong_credentials_fail_the_token_check_only(tenant: pytest.MonkeyPatch) -> None:
    tenant.setenv("AUTH0_CLIENT_SECRET", "wrong")
    ran = reconciler("doctor", "--format", "json")

    findings = statuses(ran)
    assert ran.code == 1
    assert (findings["credentials"], findings["clock"], findings["token"], findings["API"]) == (
        "ok",
        "ok",
        "failed",
        "skipped",
    )


def test_colours_show_the_severity() -> None:
    assert "\x1b[32mok       \x1b[0m" in reconciler("doctor", "--color", "always").stdout


def test_control_characters_from_tenants_are_escaped(tenant: pytest.MonkeyPatch) -> None:
    ran = reconciler("doctor", "--tenant", "x\x1b[2J")
    tenant.setenv("AUTH0_DOMAIN", "x\x1b[2J")

    assert "\x1b" not in ran.stdout + reconciler("doctor").stdout


def test_items_that_match_no_grant_are_a_finding(here: Path) -> None:
    (here / "tenant.yaml").write_text(SEED, "utf-8")
    config = here / "reconciler.yaml"
    config.write_text(config.read_text("utf-8") + "protect: [{client: Biling}, {client_id: nobody}]\n", "utf-8")

    ran = reconciler("doctor", "--format", "json")

    assert ran.code == 0
    assert statuses(ran)["patterns"] == "warning"
    assert 'protect matches no grant: client \\"Biling\\"; did you mean \\"Billing\\"? (and 1 more)' in ran.stdout


def test_patterns_are_not_checked_if_the_tenant_cannot_be_read(here: Path) -> None:
    (here / "tenant.yaml").write_text('tool: {name: Tool, scope: ["read:clients"]}\n', "utf-8")
    config = here / "reconciler.yaml"
    config.write_text(config.read_text("utf-8") + "protect: [{client: Biling}]\n", "utf-8")

    assert statuses(reconciler("doctor", "--format", "json"))["patterns"] == "skipped"
