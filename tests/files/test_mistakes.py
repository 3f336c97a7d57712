from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.grant_file_layouts import grant_files

from reconciler.contract import stored
from reconciler.core.problems import errors
from reconciler.files.fmt import sort_file
from reconciler.files.read import read_grants, validate_file

SCHEMA = stored.load(stored.GRANTS)


def problems(text: str) -> list[str]:
    return [
        f"{each.source.line}:{each.source.column}: {each.what}"
        for each in validate_file("a", text.encode(), SCHEMA).problems
    ]


@pytest.mark.parametrize("text", ["# none\n", "\n\n  # a\n---\n# b", "#\r\n"])
def test_a_file_with_only_comments_has_no_grants(text: str) -> None:
    loaded = validate_file("a.yaml", text.encode(), SCHEMA)

    assert (loaded.problems, dict(loaded.data)) == ((), {"grants": []})
    assert sort_file(text, "a.yaml") == text


@pytest.mark.parametrize("text", ["", "\n", "~ # x\n", "null\n", "---\n", "{}\n# x\n", "grants:\n# - a\n"])
def test_a_file_without_a_comment_or_with_an_empty_value_is_a_problem(text: str) -> None:
    assert problems(text)


def test_only_the_grants_may_be_missing() -> None:
    assert validate_file("a", b"# x\n", {"type": "object"}).problems


def test_every_conflict_is_one_problem_at_its_line() -> None:
    conflict = "<<<<<<< HEAD\n=======\n>>>>>>> other\n"

    assert problems(f"grants:\n{conflict}  - a\n{conflict}") == [
        "2:1: git left a merge conflict here",
        "6:1: git left a merge conflict here",
    ]
    assert problems("grants: []\n>>>>>>> other\n") == ["2:1: git left a merge conflict here"]


def test_a_title_with_equal_signs_is_not_a_conflict() -> None:
    assert problems("# =======\n# <<<<<<< HEAD\ngrants: []\n") == []


def test_a_missing_space_is_found_also_in_crlf_files_and_after_other_problems() -> None:
    text = "grants:\r\n  - client:Billing\r\n    api: X\r\n  - client: A\r\n    api: X\r\n    colour: red\r\n"

    assert problems(text)[0] == '2:12: "client:" has no space after the colon'
    assert problems(text)[1].startswith('6:5: the key "colour" is unknown')


def test_a_keyword_after_a_value_is_a_warning_because_it_is_a_comment() -> None:
    text = "grants:\n  - client: Portal ##ENV##\n    api: X # ##A##\n    description: 'a ##B##'\n    # ##C##\n"

    (problem,) = validate_file("a", text.encode(), SCHEMA).problems

    assert (str(problem.source), problem.severity) == ("a:2:20", "warning")
    assert problem.what == "##ENV## is a comment in YAML, so it is not part of the value"
    assert problem.fix == 'write "${ENV}" in quotes, or remove the comment'


def test_a_grant_with_such_a_warning_is_still_declared(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("grants:\n  - client: Portal ##ENV##\n    api: X\n  - client: B\n    api: X\n")

    loaded = read_grants([tmp_path])

    assert ([each.severity for each in loaded.problems], len(loaded.specs)) == (["warning"], 2)


def test_large_files_are_not_searched() -> None:
    filler = "# comment\n" * 30_000

    assert "no space" not in problems(f"grants:\n  - client:Billing\n    api: X\n{filler}")[0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_removed_space_is_reported_at_its_line(data: st.DataObject) -> None:
    lines = data.draw(grant_files()).splitlines()
    if problems("\n".join(lines)):
        return
    keys = [
        i for i, line in enumerate(lines) if line.strip().startswith(("client: ", "- client: ", "api: ", "audience: "))
    ]
    if not keys:
        return
    index = data.draw(st.sampled_from(keys))
    broken = [*lines]
    broken[index] = broken[index].replace(": ", ":", 1)

    found = problems("\n".join(broken))

    assert any(each.startswith(f"{index + 1}:") for each in found), broken


def test_problems_of_copied_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('{"clientGrants": [{"id": "x"}]}')

    (problem,) = errors(read_grants([tmp_path]).problems)

    assert problem.what == "this is a file of auth0-deploy-cli"
