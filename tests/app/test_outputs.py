"""Output files are checked before the first request, and empty options are refused."""

import os
import stat
from pathlib import Path

import click
import pytest
from support.commands import CONFIG, DATABASE, grants_of, reconciler, run_process

from reconciler.cli.main import COMMANDS, commands

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to another user")
OTHER = 12345


def touched(here: Path) -> bool:
    """Return whether a command has read the tenant. Reading creates its database."""
    return (here / DATABASE).exists()


@pytest.mark.parametrize(
    "words",
    [
        "plan --report json=nowhere/x",
        "plan --report json=grants",
        "plan --out nowhere/x",
        "plan --out tenant.yaml/x",
        "apply --yes --report json=nowhere/x",
        "apply --yes --report markdown=tenant.yaml/x",
        "import --out tenant.yaml/x",
    ],
)
def test_an_unwritable_output_is_reported_before_any_request(here: Path, words: str) -> None:
    ran = reconciler(*words.split())

    assert ran.code == 1
    assert "None" not in ran.stderr
    assert not touched(here)


@pytest.mark.parametrize("variable", ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"])
@pytest.mark.parametrize("command", ["plan", "apply --yes"])
def test_files_of_a_step_are_checked_too(
    here: Path, monkeypatch: pytest.MonkeyPatch, variable: str, command: str
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv(variable, str(here / "nowhere" / "x"))

    ran = reconciler(*command.split())

    assert (ran.code, variable in ran.stderr) == (1, True)
    assert not touched(here)


def test_an_unwritable_journal_is_reported_before_any_request(here: Path) -> None:
    (here / "reconciler.yaml").write_text(CONFIG.replace("tenant.yaml", "tenant.yaml, database: tenant.db"))
    (here / ".reconciler").write_text("a file")

    ran = reconciler("apply", "--yes")

    assert (ran.code, "journal" in ran.stderr) == (1, True)
    assert not (here / "tenant.db").exists()


@pytest.mark.parametrize(
    "words",
    [
        "plan --report json=x --report markdown=x",
        "plan --out x --report json=./x",
        "plan --out link --report json=x",
        "apply --yes --report json=x --report json=x",
        "validate --report json=x --report sarif=x",
    ],
)
def test_two_outputs_with_the_same_path_are_refused(here: Path, words: str) -> None:
    (here / "link").symlink_to("x")

    ran = reconciler(*words.split())

    assert (ran.code, "use one file per option" in ran.stderr) == (1, True)
    assert not touched(here)


@pytest.mark.parametrize(
    "words",
    [
        "plan --out grants/plan.json",
        "plan --report json=grants/new/../x.yaml",
        "apply --yes --report markdown=grants/x.md",
        "validate --report json=./grants/billing.yaml",
    ],
)
def test_outputs_in_the_grant_folder_are_refused(here: Path, words: str) -> None:
    before = (here / "grants/billing.yaml").read_text()

    ran = reconciler(*words.split())

    assert (ran.code, "grant folder" in ran.stderr) == (1, True)
    assert [path.name for path in (here / "grants").iterdir()] == ["billing.yaml"]
    assert (here / "grants/billing.yaml").read_text() == before


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("plan --report json={}", "reconciler.yaml"),
        ("plan --report json={}", "tenant.yaml"),
        ("apply --yes --report json={}", "reconciler.yaml"),
        ("apply --yes --report json={}", "tenant.yaml"),
        ("validate --report json={}", "reconciler.yaml"),
        ("validate other --report json={}", "other/a.yaml"),
        ("validate other/a.yaml --report json={}", "other/a.yaml"),
        ("fleet list --run x --report json={}", "reconciler.yaml"),
        ("fleet collect f.json results --report json={}", "f.json"),
        ("fleet collect f.json results --report json={}", "results/local.json"),
        ("fleet collect f.json results --report json={}", "reconciler.yaml"),
        ("access --offline --out {}", "reconciler.yaml"),
        ("access --offline --usage use.json --out {}", "use.json"),
        ("diff local local --declared --out {}", "reconciler.yaml"),
        ("show p.json --report json={}", "p.json"),
        ("apply p.json --report json={}", "p.json"),
        ("apply {{tenant}}.json --tenant local --report json={}", "local.json"),
        ("plan --policy policy.yaml --report json={}", "policy.yaml"),
        ("plan --config other.yaml --report json={}", "other.yaml"),
        ("schema --out {}", "reconciler.yaml"),
        ("schema --out {}", "grants/billing.yaml"),
        ("schema --spec api.json --out {}", "api.json"),
    ],
)
@pytest.mark.parametrize("kind", ["same", "symbolic link", "hard link", "other spelling"])
def test_an_output_that_is_also_an_input_is_refused_before_it_is_emptied(
    here: Path, words: str, file: str, kind: str
) -> None:
    for name in ("f.json", "results/local.json", "other/a.yaml", "use.json", "policy.yaml", "other.yaml", "api.json"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(CONFIG if name == "other.yaml" else "{}")
    for plan in ("p.json", "local.json"):
        assert reconciler("plan", "-q", "--out", plan).code == 0
    before, output = (here / file).read_bytes(), Path(file)
    if kind == "other spelling":
        output = Path("results", "..", file)
    if kind.endswith("link"):
        output = Path("output")
        output.hardlink_to(file) if kind == "hard link" else output.symlink_to(file)

    ran = reconciler(*words.format(output).split())

    assert (ran.code, ran.stdout) == (1, "")
    assert any(each in ran.stderr for each in ("use the same file", "is in the grant folder", "is a grant file"))
    assert (here / file).read_bytes() == before


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("option", ["--out local.json", "--report json=./local.json"])
def test_a_result_file_that_is_also_another_output_is_refused(option: str) -> None:
    ran = reconciler("plan", "--run", "x", "--result", ".", *option.split())

    assert (ran.code, ran.stdout) == (1, "")
    assert 'and --result use the same file "local.json"; use another file for --result' in ran.stderr


@pytest.mark.parametrize("file", [".reconciler/journal/x.jsonl", ".reconciler/snapshots/x/local.yaml"])
def test_an_output_among_the_files_of_earlier_runs_is_refused(here: Path, file: str) -> None:
    assert reconciler("apply", "--yes").code == 0
    (here / file).parent.mkdir(exist_ok=True)

    ran = reconciler("plan", "--report", f"json={file}")

    assert (ran.code, f'--report json: "{file}" is a file of earlier runs (' in ran.stderr) == (1, True)


@pytest.mark.usefixtures("here")
def test_a_report_next_to_the_files_that_a_command_reads_is_written() -> None:
    for _ in range(2):
        assert reconciler("validate", ".", "--report", "json=out.json").code == 1
        assert Path("out.json").read_text().startswith("{")


@pytest.mark.parametrize(
    "words",
    [
        "--only-branch",
        "--prune --create-only",
        "--prune --prune-removed",
        "--since HEAD",
        "--policy a --policy-at HEAD",
        "--only-expired --create-only",
        "--result r",
        "--result /dev/full --run x",
        "--result r --run x --client Billing",
        "--tenant nobody",
        "--tenant local --all-tenants",
        "--report json=nowhere/x",
        "--report json=reconciler.yaml",
        "--report json=x --report text=x",
    ],
)
@pytest.mark.parametrize("name", ["p.json", "{tenant}.json"])
def test_a_failed_plan_leaves_no_plan_and_no_report_of_an_earlier_run(here: Path, words: str, name: str) -> None:
    plan = here / name.replace("{tenant}", "nobody" if "nobody" in words else "local")
    assert reconciler("plan", "--out", plan, "--report", "markdown=r.md").code == 0

    ran = reconciler("plan", "--out", name, "--report", "markdown=r.md", *words.split())

    assert ran.code == 1
    assert not plan.exists()
    assert "Billing" not in (here / "r.md").read_text()


@pytest.mark.parametrize(
    "words",
    [
        "apply --yes --prune --create-only",
        "apply nothing.json",
        "apply --approval-id short",
        "apply --yes --result r",
        "show nothing.json",
        "fleet collect nothing.json . --resume",
        "validate --report json={tenant}.json",
    ],
)
def test_a_failed_command_leaves_no_report_of_an_earlier_run(here: Path, words: str) -> None:
    kind = "json" if words.startswith("validate") else "markdown"
    (here / "r.md").write_text("the report of an earlier run")

    ran = reconciler(*words.split(), "--report", f"{kind}=r.md")

    assert ran.code == 1
    assert "earlier" not in (here / "r.md").read_text()


@pytest.mark.usefixtures("here")
def test_a_report_that_fails_after_the_writes_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("reconciler.app.outputs.write_output", fail)
    ran = reconciler("apply", "--yes", "--report", "json=x", "--format", "json")

    assert (ran.code, bool(ran.data)) == (0, True)
    assert "warning" in ran.stderr
    assert "No space left" in ran.stderr


def test_a_plan_can_be_written_to_a_device_or_a_pipe(here: Path) -> None:
    ran = run_process("plan", "--out", "/dev/stdout", "-q", cwd=here)

    assert ran.code == 0
    assert '"format_version"' in ran.stdout
    assert reconciler("plan", "--out", "/dev/null", "--report", "json=/dev/null").code == 0
    assert stat.S_ISCHR(os.lstat("/dev/null").st_mode)
    assert (os.lstat("/dev/null").st_mode & 0o666) == 0o666


@AS_ROOT
def test_fmt_keeps_owner_mode_and_links(here: Path) -> None:
    file = here / "grants" / "billing.yaml"
    file.write_text(
        file.read_text().replace(
            "      - read:invoices\n      - write:invoices", "      - write:invoices\n      - read:invoices"
        )
    )
    file.chmod(0o640)
    os.chown(file, OTHER, OTHER)
    (here / "other").hardlink_to(file)

    ran = reconciler("fmt")

    assert (ran.code, "Put in order" in ran.stdout) == (0, True)
    status = file.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (OTHER, OTHER, 0o640)
    assert (here / "other").samefile(file)


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_init_adds_only_one_line_to_gitignore(here: Path, end: str) -> None:
    before = f"a\r\nb\n\xe9{end}".encode("latin-1")
    (here / ".gitignore").write_bytes(before)

    assert reconciler("init").code == 0
    assert (here / ".gitignore").read_bytes().startswith(before)
    assert (here / ".gitignore").read_bytes().splitlines()[-1] == b".reconciler/"


def test_an_unreadable_journal_does_not_hide_others(here: Path) -> None:
    assert reconciler("apply", "--yes").code == 0
    journal = here / ".reconciler" / "journal"
    (journal / "20990101T000000Z-aaaaaa.jsonl").mkdir()
    (journal / "20990101T000000Z-bbbbbb.jsonl").symlink_to("/dev/zero")

    ran, as_data = reconciler("journal"), reconciler("journal", "--format", "json")

    assert (ran.code, as_data.code) == (1, 1)
    assert len(as_data.data["runs"]) == 1
    assert as_data.data["runs"][0]["run"] in ran.stdout
    assert all(name in ran.stderr for name in ("aaaaaa", "bbbbbb"))


def options_with_values() -> list[tuple[str, ...]]:
    """Return each option and argument of each command with an empty value."""
    found = []
    with click.Context(commands) as context:
        for name in COMMANDS:
            command = commands.get_command(context, name)
            inner = command.commands if isinstance(command, click.Group) else {"": command}
            for sub, each in inner.items():
                words = (name, sub) if sub else (name,)
                assert each
                for parameter in each.params:
                    if isinstance(parameter, click.Argument):
                        found.append((*words, ""))
                    elif isinstance(parameter, click.Option) and not parameter.is_flag and not parameter.count:
                        found += [(*words, parameter.opts[-1], value) for value in ("", " ")]
    return found


@pytest.mark.parametrize("words", options_with_values(), ids=" ".join)
def test_no_option_may_be_empty(here: Path, words: tuple[str, ...]) -> None:
    ran = reconciler(*words)

    assert ran.code == 1
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count("error") or "Invalid value" in ran.stderr
    assert not touched(here)
    assert not (here / "schemas").exists()


@pytest.mark.parametrize("option", ["--grants", "--config", "--tenant", "--color"])
def test_no_global_option_may_be_empty_before_the_command(here: Path, option: str) -> None:
    ran = reconciler(option, "", "plan")

    assert (ran.code, "the value is empty" in ran.stderr) == (1, True)
    assert not touched(here)
    assert grants_of(here)
