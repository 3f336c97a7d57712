import json
from pathlib import Path

import pytest
from support.commands import reconciler

ESCAPE = "\x1b["


@pytest.fixture(autouse=True)
def workspace(here: Path) -> Path:
    return here


@pytest.mark.parametrize(
    ("terminal", "arguments", "environment", "colored"),
    [
        (False, [], {}, False),
        (True, [], {}, True),
        (True, [], {"NO_COLOR": "1"}, False),
        (True, [], {"NO_COLOR": ""}, True),
        (True, [], {"TERM": "dumb"}, False),
        (True, ["--color", "never"], {}, False),
        (False, ["--color", "always"], {}, True),
        (False, ["--color", "always"], {"NO_COLOR": "1"}, True),
    ],
    ids=["pipe", "terminal", "NO_COLOR", "NO_COLOR-empty", "dumb", "never", "always", "always-beats-NO_COLOR"],
)
def test_colour_is_used_on_terminals_by_default(
    *,
    terminal: bool,
    arguments: list[str],
    environment: dict[str, str],
    colored: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ran = reconciler("plan", *arguments, terminal=terminal)

    assert (ran.code, ESCAPE in ran.stdout) == (0, colored)


def test_colour_does_not_change_the_text() -> None:
    bare, colored = reconciler("plan").stdout, reconciler("plan", "--color", "always").stdout

    assert "".join(part.partition("m")[2] for part in f"m{colored}".split(ESCAPE)) == bare


def test_json_is_never_coloured() -> None:
    ran = reconciler("plan", "--format", "json", "--color", "always", terminal=True)

    assert json.loads(ran.stdout)["summary"]["create"] == 1


@pytest.mark.parametrize(
    "arguments", [["plan"], ["apply", "--yes"], ["validate"], ["plan", "--create-only"]], ids=" ".join
)
def test_json_is_exactly_one_object_on_stdout(arguments: list[str]) -> None:
    ran = reconciler(*arguments, "--format", "json")

    assert isinstance(ran.data, dict)
    assert ran.stdout.endswith("}\n")


def test_apply_with_json_has_outcomes_on_stdout_and_the_plan_on_stderr() -> None:
    plan = reconciler("plan").stdout
    ran = reconciler("apply", "--yes", "--format", "json")

    assert ran.stderr.startswith(f"{plan}Run 2")
    assert ran.data == {
        "tenant": "local",
        "sandbox": True,
        "summary": {"applied": 1, "failed": 0, "conflict": 0, "unknown": 0, "skipped": 0, "converged": True},
        "blocked": [],
        "differences": [],
        "outcomes": [
            {
                "action": "create",
                "key": {
                    "client_id": "billing",
                    "default_for": None,
                    "audience": "https://api.example.com/invoices",
                    "subject_type": "client",
                },
                "outcome": "applied",
                "detail": "",
            },
        ],
    }


def test_apply_with_json_and_an_empty_plan_has_no_outcomes() -> None:
    reconciler("apply", "--yes")
    ran = reconciler("apply", "--yes", "--format", "json")

    assert (ran.code, ran.data["outcomes"], ran.data["summary"]["converged"]) == (0, [], True)


def test_quiet_prints_only_results_and_problems() -> None:
    ran = reconciler("apply", "--yes", "--format", "json", "--quiet")

    assert ran.stderr == ""
    assert ran.data["summary"]["applied"] == 1


def test_verbose_lists_unmanaged_grants(here: Path) -> None:
    twenty = range(20)
    applications = "".join(f"  - {{name: W{n}, client_id: w{n}}}\n" for n in twenty)
    grants = "".join(f'  - {{client: W{n}, api: Invoices API, scope: ["read:invoices"]}}\n' for n in twenty)
    seed = here / "tenant.yaml"
    seed.write_text(seed.read_text().replace("applications:\n", f"applications:\n{applications}") + grants)

    short, long = reconciler("plan").stdout, reconciler("plan", "-v").stdout

    assert "    and 12 more; use -v to list all\n" in short
    assert short.count("[unmanaged]") == 9  # ten grants are listed, and one is reconciler's own
    assert long.count("[unmanaged]") == 21


def test_problems_show_the_line_on_a_terminal_only(here: Path) -> None:
    file = here / "grants" / "billing.yaml"
    file.write_text(file.read_text().replace("scope", "scop"), encoding="utf-8")
    piped, watched = reconciler("validate"), reconciler("validate", "--color", "never", terminal=True)

    first = 'grants/billing.yaml:5:5: the key "scop" is unknown; did you mean "scope"?\n'
    assert piped.stderr.startswith(first)
    assert watched.stderr.startswith(f"{first}    5 |     scop:\n            ^\n")
    assert len(piped.stderr.splitlines()) < len(watched.stderr.splitlines())


def test_warnings_of_the_files_show_in_plans_too(here: Path) -> None:
    file = here / "grants" / "billing.yaml"
    file.write_text(file.read_text().replace("read:invoices", "'read: invoices'"), encoding="utf-8")
    seed = here / "tenant.yaml"
    seed.write_text(seed.read_text().replace('"void:invoices"', '"read: invoices"'), encoding="utf-8")

    ran = reconciler("plan")

    assert ran.code == 0
    assert ran.stderr.startswith("grants/billing.yaml:6:9: warning: the scope")
    assert ran.stderr == reconciler("validate").stderr


@pytest.mark.parametrize(
    ("broken", "valid", "problems"),
    [("", True, 0), ("nonsense: 1\n", False, 1)],
    ids=["valid", "invalid"],
)
def test_validate_with_json_has_every_problem(here: Path, *, broken: str, valid: bool, problems: int) -> None:
    file = here / "grants" / "billing.yaml"
    file.write_text(file.read_text() + broken, encoding="utf-8")

    ran = reconciler("validate", "--format", "json")

    assert (ran.code, ran.stderr) == (0 if valid else 1, "")
    assert (ran.data["valid"], ran.data["files"], len(ran.data["problems"])) == (valid, 1, problems)
    for problem in ran.data["problems"]:
        assert problem == {
            "file": "grants/billing.yaml",
            "line": 8,
            "column": 1,
            "severity": "error",
            "message": 'the key "nonsense" is unknown',
            "fix": "the allowed keys are snapshot, tenants and grants",
        }


def shown(written: str) -> list[str]:
    """Return the lines that a terminal shows at the end. Text after a carriage return overwrites the line."""
    lines = []
    for line in written.split("\n"):
        screen = ""
        for part in line.split("\r"):
            screen = part + screen[len(part) :]
        lines.append(screen.rstrip())
    return lines


def test_the_count_is_the_last_line_below_messages() -> None:
    ran = reconciler("apply", "--yes", "--color", "never", terminal=True)

    before, _, after = ran.stderr.partition("Run ")
    assert "\rApplying: 0 of 1\r" in before
    assert "\nApplying: 0 of 1\r" in after
    assert "\rApplying: 1 of 1\r" in after


def test_the_count_is_removed_at_the_end() -> None:
    ran = reconciler("apply", "--yes", "--color", "never", terminal=True)

    run, rolling_back, end = shown(ran.stderr)
    assert run.startswith("Run ")
    assert rolling_back.startswith("To roll back: ")
    assert end == ""


@pytest.mark.parametrize(
    ("arguments", "terminal"), [(["apply"], False), (["-q", "apply"], True)], ids=["no terminal", "quiet"]
)
def test_no_count_is_shown(arguments: list[str], *, terminal: bool) -> None:
    ran = reconciler(*arguments, "--yes", terminal=terminal)

    assert "Applying" not in ran.output
    assert "\r" not in ran.output


def test_a_run_without_changes_shows_no_count() -> None:
    reconciler("apply", "--yes")

    assert "Applying" not in reconciler("apply", "--yes", terminal=True).output


def test_a_terminal_shows_what_is_read() -> None:
    assert "reading client grants\r" in reconciler("plan", terminal=True).stderr
    assert "reading" not in reconciler("plan", "-q", terminal=True).stderr
    assert "reading" not in reconciler("plan").stderr


def test_a_status_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "12")

    assert "\rreading cl\r" not in reconciler("plan", terminal=True).stderr
    assert "reading cli\r" in reconciler("plan", terminal=True).stderr
