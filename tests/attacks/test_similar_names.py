# ruff: noqa: RUF001 - the tests need similar names
"""Applications, APIs and scopes with similar names must be distinguishable for a reviewer."""

import json
from pathlib import Path

import pytest
from support.builders import INVOICES, OWN, a_directory, a_grant, a_key, a_plan, a_spec, an_api, an_observed
from support.commands import a_workspace, reconciler

from reconciler.artifacts.deserialization import plan_from_json
from reconciler.artifacts.serialization import plan_json
from reconciler.core.characters import skeleton
from reconciler.core.guards import ProtectionRules
from reconciler.core.pattern import ManagedScope, Pattern, Protect
from reconciler.core.plan_risks import grant_label
from reconciler.output.markdown.plan import plan_markdown
from reconciler.output.styled import plain
from reconciler.output.text.plan import plan_lines


def label(name: str, *others: str) -> str:
    """Return the label of an application with the id `x` in a plan for a tenant with other applications."""
    applications = {"x": name, **{f"other{number}": each for number, each in enumerate(others)}}
    return grant_label(a_key("x"), a_directory(applications, [an_api()])).removesuffix(" -> Invoices API")


@pytest.mark.parametrize("name", ["Portal", "Billing Worker (dev)", "a-b_c", "App #1", "default"])
def test_a_plain_name_is_shown_without_an_id(name: str) -> None:
    assert label(name, "Something else", "Worker 2") == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Bücher", "Bücher (x)"),
        ("Pоrtal", "Pоrtal (x)"),
        ("\u5e97", "\u5e97 (x)"),
        ("A -> B", "A -> B (x)"),
        ("A->B", "A->B (x)"),
        ("Billing Worker ", r"Billing Worker\x20 (x)"),
        (" Billing Worker", r"\x20Billing Worker (x)"),
        ("Billing  Worker", r"Billing \x20Worker (x)"),
        ("   ", r"\x20\x20\x20 (x)"),
        (r"Billing\x20", r"Billing\x20 (x)"),
        ("a\tb", r"a\tb (x)"),
        ("default for third_party_clients", "default for third_party_clients (x)"),
    ],
)
def test_an_ambiguous_name_is_shown_with_its_id(name: str, shown: str) -> None:
    assert label(name) == shown


@pytest.mark.parametrize(
    "other",
    [
        "Pоrtal",
        "PortaI",
        "Porta1",
        "Porta|",
        "portal",
        "Ｐortal",
        "Pörtal",
        "\U0001d40fortal",
        "Portal ",
        "P\u043ert\u0430l",
    ],
)
def test_similar_names_are_shown_with_their_ids(other: str) -> None:
    assert label("Portal", other) == "Portal (x)"


@pytest.mark.parametrize(
    ("name", "other"), [("modern", "modem"), ("wax", "vvax"), ("O1", "0l"), ("a b", "a  b"), ("Ηello", "Hello")]
)
def test_similar_ascii_letters_are_recognized(name: str, other: str) -> None:
    assert skeleton(name) == skeleton(other)


def test_a_name_that_imitates_an_id_or_a_label_is_shown_with_its_id() -> None:
    assert label("other0", "Portal") == "other0 (x)"
    assert label("Portal (other0)", "Portal") == "Portal (other0) (x)"


def test_similar_names_of_apis_and_organizations_are_shown_with_their_ids() -> None:
    directory = a_directory(
        {"x": "Portal"}, [an_api(), an_api("https://evil.example", "lnvoices API")], {"org_1": "acme", "org_2": "аcme"}
    )

    assert grant_label(a_key("x"), directory) == f"Portal -> Invoices API ({INVOICES})"
    assert directory.organization_label("org_1") == "acme (org_1)"
    assert directory.organization_label("org_2") == "аcme (org_2)"


def test_long_names_and_ids_are_truncated() -> None:
    shown = label("x" * 5_000)

    assert len(shown) < 300
    assert shown.endswith("x (x)")


@pytest.mark.parametrize("scope", ["аdmin", "admin\u200b", "read:facturé", 'a"b', "a\\b"])
def test_a_scope_outside_the_alphabet_is_a_risk(scope: str) -> None:
    plan = a_plan([a_spec(scope=("read:invoices", scope))])

    (risks,) = plan.risks.values()
    shown = scope.encode("unicode_escape").decode().replace('"', r"\x22").replace("\\\\", r"\x5c")
    assert [each.message for each in risks if each.rule == "unusual-scope"] == [
        f"scopes with characters that OAuth does not allow: {shown}"
    ]
    assert "unusual-scope" in plan_markdown(plan)


def test_administration_is_recognized_in_letters_of_other_scripts() -> None:
    (risks,) = a_plan([a_spec(scope=("аdmin",))]).risks.values()

    assert r"scopes with administrative names: \u0430dmin" in [each.message for each in risks]


def test_a_saved_plan_shows_the_same_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = """
tool: {name: Reconciler, client_id: own}
applications:
  - {name: Portal, client_id: portal}
  - {name: "Pоrtal", client_id: evil}
apis: [{name: Invoices API, identifier: "https://api.example.com/invoices", scopes: [admin]}]
"""
    here = a_workspace(tmp_path, monkeypatch)
    (here / "tenant.yaml").write_text(seed)
    (here / "grants" / "billing.yaml").write_text("grants: [{client: Portal, api: Invoices API, scope: [admin]}]\n")

    assert "+ Portal (portal) -> Invoices API\n" in reconciler("plan", "--out", "plan.json").stdout
    assert "(unverified" in reconciler("show", "plan.json").stdout
    assert reconciler("apply", "plan.json").code == 0


def test_a_saved_plan_with_equal_names_keeps_its_labels() -> None:
    management = an_api("https://t.example/api/v2/", "Auth0", scopes=frozenset({"create:clients"}), is_system=True)
    directory = a_directory({"billing": "Portal", "other": "Pоrtal"}, [management])
    data = plan_json(a_plan([a_spec(audience=management.identifier, scope=("create:clients",))], directory=directory))

    assert "Portal (billing) -> Auth0" in json.dumps(data["critical"])
    assert plan_json(plan_from_json(json.loads(json.dumps(data)))) == data


def test_a_plan_shows_the_pattern_and_the_name_that_matched() -> None:
    directory = a_directory({"billing": "Deploy evil", "portal": "Team A portal"}, [an_api()])
    specs = [a_spec(), a_spec(client_id="portal")]
    guards = ProtectionRules(OWN, (Protect(client="Deploy *", reason="ask us"),), ManagedScope((Pattern(client="*"),)))
    observed = [an_observed(a_grant(a_key("portal"), scope=()))]

    text = plain(plan_lines(a_plan(specs, observed, directory, protection=guards)))

    assert 'protected: ask us (protect: client "Deploy *")\n  + Deploy evil -> Invoices API\n' in text
    assert 'Note: 1 create allowed by this item of `manage`: client "*" (Deploy evil)\n' in text
    assert 'Note: 1 update allowed by this item of `manage`: client "*" (Team A portal)\n' in text
