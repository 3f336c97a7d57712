"""PyYAML without its C parser: files are read in the same way, and a note explains the slow speed."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.commands import GRANTS, TIMEOUT_SECONDS, CommandResult

import reconciler.files.layout
import reconciler.files.loader
from reconciler.core.problems import errors
from reconciler.files.document import Document, YamlMapping
from reconciler.files.fmt import sort_file
from reconciler.files.loader import parse, parse_by_events
from reconciler.files.read import read_grants

WITHOUT = "import sys; sys.modules['yaml._yaml'] = None; from reconciler.cli.main import main; main()"


def without_libyaml(*arguments: str) -> CommandResult:
    words = [sys.executable, "-c", WITHOUT, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS)
    return CommandResult(done.returncode, done.stdout, done.stderr)


def test_commands_work_without_libyaml_and_print_a_note(here: Path) -> None:
    (here / "grants" / "billing.yaml").write_text(GRANTS + "  - {api: Invoices API, client: Portal}\n")

    validated = without_libyaml("validate")
    assert (validated.code, validated.stdout) == (0, "2 grants in 1 file: valid.\n")
    assert validated.stderr.startswith("PyYAML was built without libyaml, so reading files is slow. ")
    assert without_libyaml("fmt", "-q").stderr == ""
    assert (here / "grants" / "billing.yaml").read_text().endswith("  - {client: Portal, api: Invoices API}\n")


ROOT = Path(__file__).parent.parent
FILES = [*ROOT.glob("examples/*/*.yaml"), *ROOT.glob("scenarios/*/grants/*.yaml")]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler.files.loader, "PARSER", yaml.SafeLoader)
    monkeypatch.setattr(reconciler.files.layout, "PARSER", yaml.SafeLoader)


def read(text: str) -> tuple[Document, object]:
    """Return the document and the positions of its keys."""
    document = parse_by_events(text, "x.yaml")
    return document, dict(document.data.marks) if isinstance(document.data, YamlMapping) else None


def test_both_parsers_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in FILES]
    fast = [(read(text), text) for text in texts]
    monkeypatch.setattr(reconciler.files.loader, "PARSER", yaml.SafeLoader)
    assert len(fast) > 100

    for (document, marks), text in fast:
        again, marks_again = read(text)
        assert (again.data, again.is_complete) == (document.data, document.is_complete)
        assert [each.source.line for each in again.problems][:-1] == [each.source.line for each in document.problems][
            :-1
        ]
        assert len(again.problems) == len(document.problems)
        assert marks_again == marks


def test_both_parsers_sort_files_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [path.read_text(encoding="utf-8") for path in FILES if not errors(read_grants([path]).problems)]
    assert len(texts) > 50
    fast = [sort_file(text, "x.yaml") for text in texts]
    monkeypatch.setattr(reconciler.files.loader, "PARSER", yaml.SafeLoader)
    monkeypatch.setattr(reconciler.files.layout, "PARSER", yaml.SafeLoader)

    assert [sort_file(text, "x.yaml") for text in texts] == fast


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("text", ["a: \ufffe", "a: \x00", "\x80", "a: [\x07", "a: \uffff # b"])
def test_an_error_of_the_slow_parser_is_a_problem(text: str) -> None:
    assert parse(text.encode(), "x.yaml").problems
    assert parse_by_events(text, "x.yaml").problems
