"""Links and files in a pull request must not redirect the reads and writes of a run."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import CONFIG, GRANTS, SEED, a_workspace, reconciler
from support.repository import commit_all, git

REPORTS = ["plan", "apply --yes", "validate"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return a_workspace(folder, monkeypatch)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    file = tmp_path / "target"
    file.write_text("mine")
    return file


@pytest.mark.parametrize("command", REPORTS)
@pytest.mark.parametrize("option", ["--report json=out.json", "--report json=folder/out.json", "GITHUB_STEP_SUMMARY"])
def test_outputs_do_not_follow_a_committed_link(
    here: Path, target: Path, command: str, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "out.json").symlink_to(target)
    (here / "folder").symlink_to(here.parent)
    commit_all(here)
    words = option.split()
    if option.startswith("GITHUB"):
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv(option, "out.json")
        words = []

    result = reconciler(*command.split(), *words)

    assert result.code == 1
    assert "link" in result.stderr
    assert target.read_text() == "mine"
    assert sorted(path.name for path in here.parent.iterdir()) == ["checkout", "target"]


def test_a_saved_plan_does_not_follow_a_committed_link(here: Path, target: Path) -> None:
    (here / "plan.json").symlink_to("grants/billing.yaml")
    commit_all(here)

    result = reconciler("plan", "--out", "plan.json")

    assert (result.code, "link" in result.stderr) == (1, True)
    assert (here / "grants/billing.yaml").read_text() == GRANTS
    assert target.exists()


@pytest.mark.parametrize("name", [".reconciler", ".reconciler/journal", ".reconciler/snapshots"])
def test_a_journal_does_not_follow_a_committed_link(here: Path, name: str) -> None:
    elsewhere = here.parent / "elsewhere"
    elsewhere.mkdir()
    config = CONFIG.replace("tenant.yaml", "tenant.yaml, database: tenant.db")
    (here / "reconciler.yaml").write_text(config)
    (here / name).parent.mkdir(exist_ok=True)
    (here / name).symlink_to(elsewhere)
    commit_all(here)

    result = reconciler("apply", "--yes")

    assert (result.code, "link" in result.stderr) == (1, True)
    assert list(elsewhere.iterdir()) == []
    assert "0 to create" not in reconciler("plan").stdout


def test_without_a_repository_a_link_out_of_the_folder_is_refused(here: Path, target: Path) -> None:
    (here / "out.json").symlink_to(target)

    assert reconciler("plan", "--report", "json=out.json").code == 1
    assert target.read_text() == "mine"


@pytest.mark.parametrize("is_repository", [True, False])
def test_an_untracked_link_is_followed(here: Path, target: Path, *, is_repository: bool) -> None:
    if is_repository:
        commit_all(here)
        (here / "out.json").symlink_to(target)
    else:
        target = here / "real.json"
        (here / "out.json").symlink_to("real.json")

    assert reconciler("plan", "--report", "json=out.json").code == 0
    assert (here / "out.json").is_symlink()
    assert json.loads(target.read_text())["summary"]["create"] == 1


def test_a_link_is_refused_if_git_refuses_the_repository(here: Path, target: Path) -> None:
    commit_all(here)
    (here / "out.json").symlink_to(target)
    (here / ".git" / "HEAD").write_text("broken")

    assert reconciler("plan", "--report", "json=out.json").code == 1
    assert target.read_text() == "mine"


def is_private(path: Path) -> bool:
    return path.stat().st_mode & 0o077 == 0


def test_files_with_tenant_data_are_readable_by_their_owner_only(here: Path) -> None:
    (here / "old.md").write_text("x")
    (here / "old.md").chmod(0o644)

    result = reconciler("apply", "--yes", "--report", "markdown=old.md", "--report", "json=new.json")
    assert result.code == 0
    assert reconciler("plan", "--out", "plan.json").code == 0

    is_ours = [path for path in (here / ".reconciler").rglob("*") if path.is_file()]
    assert len(is_ours) >= 3
    assert all(map(is_private, [here / "old.md", here / "new.json", here / "plan.json", *is_ours]))


@pytest.mark.parametrize(
    "command", ["validate", "plan", "apply --yes", "list", "list --offline", "import", "doctor", "fmt"]
)
@pytest.mark.parametrize("absolute", [True, False])
def test_a_grant_folder_outside_the_repository_is_refused(here: Path, command: str, *, absolute: bool) -> None:
    outside = here.parent / "outside"
    (here / "grants").rename(outside)
    (here / "grants").symlink_to(outside if absolute else "../outside")
    before = {path.name: path.read_text() for path in outside.iterdir()}

    result = reconciler(*command.split())

    assert result.code == 1
    assert re.search(r"link\s+to\s+a\s+place\s+outside", result.output)
    assert {path.name: path.read_text() for path in outside.iterdir()} == before


def test_import_does_not_create_a_folder_outside_the_repository(here: Path) -> None:
    (here / "link").symlink_to(here.parent)

    result = reconciler("import", "--out", "link/imported")

    assert (result.code, "is a link to a place outside" in result.stderr) == (1, True)
    assert not (here.parent / "imported").exists()


def test_a_mounted_folder_with_internal_links_is_read(here: Path) -> None:
    data = here / "grants" / "..2026_11_27"
    data.mkdir()
    (here / "grants" / "billing.yaml").rename(data / "billing.yaml")
    (here / "grants" / "..data").symlink_to("..2026_11_27")
    (here / "grants" / "billing.yaml").symlink_to("..data/billing.yaml")

    result = reconciler("plan")

    assert (result.code, "1 to create" in result.stdout) == (0, True)


@pytest.mark.parametrize("link", [".gitignore", "schemas", ".github", ".github/workflows", "grants"])
@pytest.mark.parametrize("target", ["outside", ".git/hooks"])
def test_init_does_not_write_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str, target: str
) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    a_workspace(folder, monkeypatch, reconciler="", tenant=SEED)
    for path in (folder / "reconciler.yaml", folder / "grants/billing.yaml", folder / "grants"):
        path.rmdir() if path.is_dir() else path.unlink()
    git(folder, "init", "--quiet")
    destination = tmp_path / "outside" if target == "outside" else folder / target
    destination.mkdir(exist_ok=True)
    goal = destination / "file" if link == ".gitignore" else destination
    if link == ".gitignore":
        goal.write_text("mine\n")
    (folder / link).parent.mkdir(exist_ok=True)
    (folder / link).symlink_to(goal)
    commit_all(folder)
    before = sorted(path.name for path in destination.iterdir())

    result = reconciler("init", "--domain", "acme.eu.auth0.com", "--yes")

    assert result.code == 1
    assert "link" in result.stderr
    assert sorted(path.name for path in destination.iterdir()) == before
    assert link != ".gitignore" or goal.read_text() == "mine\n"


def a_journal(folder: Path) -> None:
    (folder / ".reconciler" / "journal").mkdir(parents=True)
    (folder / ".reconciler" / "journal" / "20260101T000000Z-abcdef.jsonl").write_text("{}\n")


@pytest.mark.parametrize(("make", "code"), [(a_journal, 1), (lambda _: None, 0)], ids=["committed", "not committed"])
def test_validate_reports_a_committed_reconciler_folder(here: Path, make: Callable[[Path], None], code: int) -> None:
    make(here)
    commit_all(here)
    if not code:
        a_journal(here)

    result = reconciler("validate")

    assert result.code == code
    assert (".reconciler: git tracks this folder" in result.stderr) == bool(code)


def test_a_committed_snapshot_behind_a_link_is_refused(here: Path) -> None:
    content = "snapshot: forged\ngrants: [{client_id: billing, audience: 'https://api.example.com/invoices'}]\n"
    digest = hashlib.sha256(content.encode()).hexdigest()
    manifest = {
        "run": "x",
        "tenant": "local",
        "domain": "sandbox.localhost",
        "files": {"1.yaml": digest},
        "created": [],
    }
    snapshot = here / ".reconciler" / "snapshots" / "grants"
    snapshot.mkdir(parents=True)
    (snapshot / "1.yaml").write_text(content)
    (snapshot / "MANIFEST").write_text(json.dumps(manifest))
    (here / "team").symlink_to(".reconciler/snapshots")
    plan = ["--grants", "team/grants", "plan"]
    assert reconciler(*plan).code == 0
    commit_all(here)

    result = reconciler(*plan)

    assert result.code == 1
    assert "git tracks this folder" in result.stderr
