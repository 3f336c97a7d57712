"""PATHs, --client and --api of plan, apply and list."""

import csv
import json
import shutil
import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from support.commands import SEED, reconciler
from support.repository import commit_all

from reconciler.artifacts.serialization import digest

CONFIG = """
default_tenant: local
tenants:
  local: {kind: sandbox, seed: tenant.yaml}
  other: {kind: sandbox, seed: tenant.yaml, database: o.db}
"""
BILLING = 'grants: [{client: Billing, api: Invoices API, scope: ["read:invoices"]}]\n'
PORTAL = 'grants: [{client: Portal, api: Invoices API, scope: ["write:invoices"]}]\n'


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    (here / "reconciler.yaml").write_text(CONFIG)
    (here / "grants/billing.yaml").write_text(BILLING)
    (here / "grants/team").mkdir()
    (here / "grants/team/portal.yaml").write_text(PORTAL)
    return here


def planned(*arguments: str) -> list[tuple[str, str]]:
    data = reconciler("plan", "--format", "json", *arguments).data
    return [(change["action"], change["client_name"]) for change in data["changes"]]


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        ((), ["Billing", "Portal"]),
        (("grants",), ["Billing", "Portal"]),
        (("grants/billing.yaml",), ["Billing"]),
        (("./grants/../grants/billing.yaml",), ["Billing"]),
        (("grants/team",), ["Portal"]),
        (("grants/team/", "grants/billing.yaml"), ["Billing", "Portal"]),
        (("--client", "B*"), ["Billing"]),
        (("--client", "portal"), ["Portal"]),
        (("--client", "B*", "--client", "Portal"), ["Billing", "Portal"]),
        (("--client", "B*", "--api", "https://api.example.com/*"), ["Billing"]),
        (("grants/team", "--api", "Inv*"), ["Portal"]),
    ],
)
def test_only_the_selected_grants_are_planned(arguments: tuple[str, ...], changes: list[str]) -> None:
    assert [name for _, name in planned(*arguments)] == changes


SPACES = """
tool: {name: Reconciler, client_id: own}
applications:
  - {name: "Billing", client_id: one}
  - {name: "Billing ", client_id: two}
  - {name: " Billing", client_id: three}
apis: [{name: X, identifier: "https://x/", scopes: [a]}]
"""


@pytest.mark.parametrize(("name", "client_id"), [("Billing", "one"), ("Billing ", "two"), (" Billing", "three")])
@pytest.mark.parametrize("from_variable", [False, True])
def test_spaces_are_part_of_a_name(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str, client_id: str, *, from_variable: bool
) -> None:
    (here / "tenant.yaml").write_text(SPACES)
    grants = [{"client": each, "api": "X", "scope": ["a"]} for each in ("Billing", "Billing ", " Billing")]
    (here / "grants/billing.yaml").write_text(json.dumps({"grants": grants}))
    shutil.rmtree(here / "grants/team")
    if from_variable:
        monkeypatch.setenv("RECONCILER_PLAN_CLIENT", name)

    options = () if from_variable else ("--client", name)
    data = reconciler("plan", "--format", "json", *options).data

    assert [change["key"]["client_id"] for change in data["changes"]] == [client_id]


def test_an_absolute_path_selects_the_same_grants(here: Path) -> None:
    assert planned(str(here / "grants/billing.yaml")) == [("create", "Billing")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("grants/bilings.yaml",), 'file "grants/bilings.yaml" selects no grant; did you mean "grants/billing.yaml"?'),
        (("--client", "Bill"), 'client "Bill" selects no grant; did you mean "Billing"?'),
        (("--client", "Billing", "grants/team"), 'client "Billing", file "grants/team" selects no grant'),
        (("tenant.yaml",), "tenant.yaml is outside the grant folder grants; use files in this folder, or"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "apply", "list"])
def test_a_selection_without_grants_is_an_error(command: str, arguments: tuple[str, ...], message: str) -> None:
    ran = reconciler(command, *arguments, *(["--yes"] if command == "apply" else []))

    assert (ran.code, message in ran.stderr) == (1, True), ran.output


PRUNE = ("--prune", "--max-deletes", "1")


@pytest.mark.parametrize(
    "selection",
    [("--client", "Portal"), ("--client", "portal"), ("--client", "P*"), ("--api", "Invoices API")],
    ids=" ".join,
)
def test_a_run_can_be_repeated_after_it_deleted_the_only_selected_grant(here: Path, selection: tuple[str, ...]) -> None:
    (here / "grants/team/portal.yaml").write_text("grants: []\n")
    (here / "grants/billing.yaml").unlink()
    reconciler("plan", *PRUNE, *selection, "--out", "p.json")
    assert reconciler("apply", "p.json", *PRUNE).code == 0
    shutil.rmtree(here / ".reconciler/journal")

    for command in (("apply", "p.json", *PRUNE), ("apply", "--yes", *PRUNE, *selection), ("plan", *PRUNE, *selection)):
        again = reconciler(*command)

        assert (again.code, again.stderr) == (0, "")
        assert "selects no grant; the tenant has a matching " in again.stdout
    typo = reconciler("plan", *selection[:1], "Portall")
    assert (typo.code, "selects no grant; did you mean" in typo.stderr) == (1, selection[0] == "--client")


def test_a_saved_plan_can_be_repeated_after_the_application_was_deleted(here: Path) -> None:
    (here / "grants/team/portal.yaml").unlink()
    reconciler("plan", *PRUNE, "--client", "Portal", "--out", "p.json")
    assert reconciler("apply", "p.json", *PRUNE).code == 0
    shutil.rmtree(here / ".reconciler/journal")
    with closing(sqlite3.connect(here / ".reconciler/sandbox.db")) as database, database:
        assert database.execute("DELETE FROM clients WHERE id = 'portal'").rowcount

    assert reconciler("apply", "p.json", *PRUNE).code == 0
    assert reconciler("plan", *PRUNE, "--client", "Portal").code == 1


def test_a_run_with_paths_can_be_repeated_after_it_deleted_the_grants_of_a_removed_file(here: Path) -> None:
    (here / ".gitignore").write_text(".reconciler\n")
    commit_all(here)
    (here / "grants/team/portal.yaml").unlink()
    commit_all(here)
    removal = ("apply", "--yes", "--prune-removed", "--max-deletes", "1", "grants/team")

    assert [reconciler(*removal, *more).code for more in ((), (), ("--client", "Portal"))] == [0, 0, 0]
    assert [reconciler(*removal, *more).code for more in (("--client", "Billing"), ("grants/team/portal.yml",))] == [
        1,
        0,
    ]
    assert reconciler(*removal[:-1], "grants/team/portal.yml").code == 1


def test_prune_is_confined_to_the_selection(here: Path) -> None:
    (here / "grants/team/portal.yaml").unlink()
    (here / "grants/team").rmdir()

    assert planned("--prune", "--client", "Portal", "--max-deletes", "1") == [("delete", "Portal")]
    assert planned("--prune", "--client", "Billing") == [("create", "Billing")]
    assert planned("--prune", "grants/billing.yaml") == [("create", "Billing")]


def test_apply_changes_only_the_selected_grants() -> None:
    ran = reconciler("apply", "--yes", "grants/billing.yaml")

    assert (ran.code, ran.stdout.splitlines()[1]) == (
        0,
        'Only file "grants/billing.yaml": 1 grant, 1 other declared grant not planned',
    )
    assert ran.stdout.endswith("Apply: 1 applied; the selected grants match the files.\n")
    assert planned() == [("update", "Portal")]


def test_a_saved_plan_records_the_selection() -> None:
    reconciler("plan", "--client", "B*", "--out", "p.json")

    saved = json.loads(Path("p.json").read_text())
    assert saved["selection"] == {"files": [], "clients": ["B*"], "apis": [], "selected": 1, "others": 1}
    refused = reconciler("apply", "p.json", "--client", "P*")
    assert (refused.code, 'the saved plan was created for client "B*"' in refused.stderr) == (5, True)
    assert reconciler("apply", "p.json", "--client", "B*").code == 0
    assert planned() == [("update", "Portal")]


def test_a_plan_of_all_grants_is_not_applied_to_a_part() -> None:
    reconciler("plan", "--out", "p.json")

    ran = reconciler("apply", "p.json", "--client", "Billing")

    assert (ran.code, "the saved plan was created for all grants" in ran.stderr) == (5, True)


def test_a_saved_plan_records_the_selected_files(here: Path) -> None:
    reconciler("plan", "grants/team", "--out", "p.json")
    (here / "grants/billing.yaml").write_text(BILLING.replace("read", "void"))

    assert reconciler("apply", "p.json").code == 0
    assert planned() == [("create", "Billing")]


def test_a_saved_plan_of_files_is_applied_in_another_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reconciler("plan", "grants/team/portal.yaml", "--out", "p.json")
    saved = json.loads(Path("p.json").read_text())["selection"]
    assert (saved["files"], saved["folder"]) == (["team/portal.yaml"], "grants")
    monkeypatch.chdir(here / "grants" / "team")

    config = ("--config", "../../reconciler.yaml")

    assert reconciler(*config, "apply", "../../p.json", "--client", "Portal").code == 5
    ran = reconciler(*config, "apply", "../../p.json")

    assert (ran.code, ran.stdout.splitlines()[1]) == (
        0,
        'Only file "../../grants/team/portal.yaml": 1 grant, 1 other declared grant not planned',
    )
    assert planned(*config, "..") == [("create", "Billing")]


def test_a_saved_plan_of_files_is_applied_in_another_checkout(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reconciler("plan", str(here / "grants/team"), "--out", "p.json", "--grants", str(here / "grants"))
    other = here / "other"
    shutil.copytree(here / "grants", other / "grants")
    (other / "reconciler.yaml").write_text(CONFIG.replace("tenant.yaml", "../tenant.yaml"))
    shutil.copy(here / "tenant.yaml", other / "tenant.yaml")
    (other / "reconciler.yaml").write_text(CONFIG)
    monkeypatch.chdir(other)

    assert reconciler("apply", "../p.json").code == 0
    assert planned() == [("create", "Billing")]


def saved_with(selection: dict[str, object], file: str = "p.json") -> None:
    """Change the selection of a saved plan and its checksum, like somebody who wants to apply something else."""
    content = json.loads(Path(file).read_text())
    content["selection"] |= selection
    content = {name: value for name, value in content.items() if name != "checksum"}
    Path(file).write_text(json.dumps({**content, "checksum": digest(content)}))


@pytest.mark.parametrize("name", ["../tenant.yaml", "/etc/passwd", "team/../../grants/team", ".", "team/", ""])
def test_a_saved_plan_with_files_outside_the_grant_folder_is_refused(name: str) -> None:
    reconciler("plan", "grants/team", "--out", "p.json")
    saved_with({"files": [name]})

    for command, code in (("apply", 5), ("show", 1)):
        ran = reconciler(command, "p.json")
        assert (ran.code, "p.json was altered after it was created" in ran.stderr) == (code, True), ran.output
    assert planned() == [("create", "Billing"), ("update", "Portal")]


def test_the_folder_in_a_saved_plan_does_not_decide_where_grants_are_read(here: Path) -> None:
    (here / "elsewhere").mkdir()
    (here / "elsewhere" / "portal.yaml").write_text(PORTAL.replace("write", "void"))
    reconciler("plan", "grants/team/portal.yaml", "--out", "p.json")
    saved_with({"folder": "elsewhere"})

    ran = reconciler("apply", "p.json")

    assert (ran.code, 'Only file "grants/team/portal.yaml"' in ran.stdout) == (0, True)


def test_a_plan_of_an_earlier_version_is_applied_in_its_own_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reconciler("plan", "grants/team", "--out", "p.json")
    content = json.loads(Path("p.json").read_text())
    del content["selection"]["folder"]
    Path("p.json").write_text(json.dumps(content))
    saved_with({"files": ["grants/team"]})
    monkeypatch.chdir(here / "grants")

    elsewhere = reconciler("--config", "../reconciler.yaml", "apply", "../p.json")
    assert (elsewhere.code, 'file "grants/team" selects no grant' in elsewhere.stderr) == (1, True)
    monkeypatch.chdir(here)
    assert reconciler("apply", "p.json").code == 0


def test_a_grant_of_another_tenant_is_not_called_misspelled(here: Path) -> None:
    (here / "grants/team/portal.yaml").write_text(f"tenants: [other]\n{PORTAL.replace('Portal', 'Billing')}")
    (here / "grants/billing.yaml").unlink()

    for command in ("plan", "list", "apply"):
        ran = reconciler(command, "grants/team/portal.yaml")
        assert ran.code == 1
        assert (
            "matching grants are declared for other tenants only: for other at grants/team/portal.yaml:2\n"
            in ran.stderr
        )
    offline = reconciler("list", "--offline", "--client", "Billing")
    assert 'client "Billing" selects no grant; matching grants are declared for other tenants' in offline.stderr


def test_apply_takes_one_saved_plan_or_paths() -> None:
    reconciler("plan", "--out", "p.json")

    ran = reconciler("apply", "p.json", "grants/billing.yaml")

    assert (ran.code, "pass either one saved plan or only grant files" in ran.stderr) == (1, True)


def test_a_snapshot_is_restored_as_a_whole() -> None:
    reconciler("apply", "--yes")
    (snapshot,) = Path(".reconciler/snapshots").iterdir()

    ran = reconciler("--grants", str(snapshot), "plan", "--client", "Billing")

    assert (ran.code, "a snapshot always restores all grants of a run" in ran.stderr) == (1, True)


def test_the_comment_names_the_selection() -> None:
    comment = reconciler("plan", "--client", "Billing", "--format", "markdown").stdout

    assert '`Only client "Billing": 1 grant, 1 other declared grant not planned`\n' in comment


def test_the_grants_of_the_tenants_are_listed_as_csv() -> None:
    ran = reconciler("list", "--observed", "--all-tenants", "--format", "csv", "--api", "Invoices API")

    rows = list(csv.DictReader(StringIO(ran.stdout)))
    assert [(row["tenant"], row["client"], row["scope"], row["declared_at"]) for row in rows] == [
        (f"{name} SANDBOX", "Portal", "read:invoices", "") for name in ("local", "other")
    ]


def test_the_declared_grants_of_several_tenants_are_listed() -> None:
    data = reconciler("list", "--all-tenants", "--format", "json", "--api", "Invoices*", "grants/team").data
    text = reconciler("list", "--offline", "--all-tenants", "--client", "Portal").stdout

    assert [(each["tenant"]["name"], [grant["client"] for grant in each["grants"]]) for each in data["tenants"]] == [
        ("local", ["Portal"]),
        ("other", ["Portal"]),
    ]
    assert text.count("Declared: 1 grant; 1 not selected.") == 2


def test_formulas_in_names_are_neutralized(here: Path) -> None:
    (here / "tenant.yaml").write_text(
        SEED.replace("name: Portal,", "name: '=cmd()',").replace("client: Portal", "client_id: portal")
    )
    (here / "grants/team/portal.yaml").unlink()

    assert '"\'=cmd()"' in reconciler("list", "--observed", "--format", "csv").stdout


@pytest.mark.parametrize("other", ["--offline", "grants/billing.yaml"])
def test_observed_grants_come_from_the_tenant(other: str) -> None:
    ran = reconciler("list", "--observed", other)

    assert (ran.code, "the option --observed lists the tenant's grants" in ran.stderr) == (1, True)


def test_a_saved_plan_says_how_to_apply_it() -> None:
    ran = reconciler("plan", "--prune", "--max-deletes", "2", "--out", "p.json")

    saved, _, command = ran.stderr.partition(". To apply it: ")
    assert saved.startswith("Saved plan ")
    assert command == "reconciler --tenant local apply --prune --max-deletes 2 p.json\n"
    assert reconciler(*command.split()[1:]).code == 0


def test_a_summary_lists_no_change() -> None:
    assert reconciler("plan", "--summary").stdout.splitlines()[1:] == [
        "Plan: 1 to create, 1 to update, 0 to delete; 0 unchanged, 1 left alone."
    ]
    assert reconciler("apply", "--yes", "--summary").stdout.splitlines()[-1] == (
        "Apply: 2 applied; the tenant matches the files."
    )
