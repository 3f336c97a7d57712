"""`reconciler diff`: two tenants compared by name, in every format."""

import csv
import io
from pathlib import Path

import pytest
from support.commands import SEED, reconciler

CONFIG = """\
tenants:
  one: {kind: sandbox, seed: one.yaml, database: .reconciler/one.db}
  two: {kind: sandbox, seed: two.yaml, database: .reconciler/two.db}
"""
GRANTS = """\
grants:
  - {client: Billing, api: Invoices API, scope: [read:invoices], tenants: [one]}
  - {client: Billing, api: Invoices API, scope: [read:invoices, void:invoices], tenants: [two]}
  - {client: Portal, api: Invoices API, scope: [read:invoices]}
"""
OTHER = SEED.replace("client_id: portal", "client_id: portal-in-two").replace(
    'scope: ["read:invoices"]}', 'scope: ["read:invoices", "void:invoices"], organization_usage: require}'
)
MORE = '  - {client: Billing, api: Invoices API, scope: ["write:invoices"]}\n'


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    (here / "reconciler.yaml").write_text(CONFIG)
    (here / "one.yaml").write_text(SEED + MORE)
    (here / "two.yaml").write_text(OTHER)
    (here / "grants/billing.yaml").write_text(GRANTS)
    return here


def test_text_shows_what_only_one_tenant_has_and_what_differs() -> None:
    ran = reconciler("diff", "one", "two")

    assert ran.code == 0
    assert ran.stdout == (
        "Differences between the grants of one SANDBOX and two SANDBOX\n"
        "\n"
        "  Billing -> Invoices API  [only in one]\n"
        "      - scope: write:invoices\n"
        "      - organization_usage: deny\n"
        "  Portal -> Invoices API  [different]\n"
        "      + scope: void:invoices\n"
        "      - organization_usage: deny\n"
        "      + organization_usage: require\n"
        "1 only in one, 0 only in two, 1 different; 1 equal grant.\n"
    )


def test_equal_tenants_have_no_differences(here: Path) -> None:
    (here / "two.yaml").write_text(SEED + MORE)

    ran = reconciler("diff", "one", "two", "--detailed-exitcode", "--format", "json")

    assert (ran.code, ran.data["differences"], ran.data["equal"]) == (0, [], 3)


def test_detailed_exitcode_is_2_if_the_tenants_differ() -> None:
    assert reconciler("diff", "one", "two", "--detailed-exitcode").code == 2


def test_declared_compares_the_files_without_reading_a_tenant(here: Path) -> None:
    (here / "reconciler.yaml").write_text("tenants: {one: {domain: one.example}, two: {domain: two.example}}\n")

    ran = reconciler("diff", "one", "two", "--declared", "--format", "json")

    (found,) = ran.data["differences"]
    assert (ran.data["declared"], ran.data["equal"], found["kind"], found["application"]) == (
        True,
        1,
        "different",
        "Billing",
    )
    scope = next(each for each in found["fields"] if each["field"] == "scope")
    assert scope == {"field": "scope", "first": ["read:invoices"], "second": ["read:invoices", "void:invoices"]}


@pytest.mark.parametrize("name", ["csv", "markdown", "html", "json"])
def test_every_format_has_the_differences(here: Path, name: str) -> None:
    ran = reconciler("diff", "one", "two", "--format", name, "--out", "differences")

    text = (here / "differences").read_text()
    assert (ran.code, ran.stdout) == (0, "")
    assert all(word in text for word in ("Portal", "void:invoices", "require"))


def test_csv_has_one_row_per_field() -> None:
    rows = list(csv.reader(io.StringIO(reconciler("diff", "one", "two", "--format", "csv").stdout)))

    assert rows[0][-2:] == ["one SANDBOX", "two SANDBOX"]
    assert [row[4] for row in rows[1:]] == ["scope", "organization_usage", "scope", "organization_usage"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("one", "one"), "name two different tenants"),
        (("one", "three"), "three"),
        (("one", "two", "--tenant", "one"), "--tenant has no effect on this command"),
    ],
)
def test_wrong_tenants_are_refused(words: tuple[str, ...], message: str) -> None:
    ran = reconciler("diff", *words)

    assert (ran.code, ran.stdout, message in ran.stderr) == (1, "", True)


def test_a_tenant_that_cannot_be_read_is_not_called_empty(here: Path) -> None:
    (here / "reconciler.yaml").write_text(
        CONFIG.replace("{kind: sandbox, seed: two.yaml, database: .reconciler/two.db}", "{domain: a.eu.auth0.com}")
    )

    ran = reconciler("diff", "one", "two")

    assert (ran.code, ran.stdout) == (1, "")
    assert "the tenants cannot be compared: two could not be read" in ran.stderr


def test_tenants_whose_names_were_not_read_are_not_compared(here: Path) -> None:
    scopes = "['read:client_grants', 'read:resource_servers']"
    (here / "one.yaml").write_text(SEED.replace("tool: {", f"tool: {{scope: {scopes}, ") + MORE)
    (here / "grants/billing.yaml").write_text("grants: []\n")

    ran = reconciler("diff", "one", "two")

    assert (ran.code, ran.stdout) == (1, "")
    assert "grants are matched by name: one has unread applications (the token lacks read:clients)" in ran.stderr


def test_declared_ids_without_a_match_are_noted(here: Path) -> None:
    grants = "grants:\n" + "".join(
        f"  - {{client: Billing, audience: 'https://{name}.example', scope: [a], tenants: [{name}]}}\n"
        for name in ("one", "two")
    )
    (here / "grants/billing.yaml").write_text(grants)

    (note,) = reconciler("diff", "one", "two", "--declared", "--format", "json").data["notes"]

    assert note.startswith("some grants are declared by client_id or audience, so their names are not known")
