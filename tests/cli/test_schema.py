import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.commands import reconciler

from reconciler.contract import stored


@pytest.fixture
def openapi(here: Path) -> Path:
    """A copy of the stored OpenAPI document that tests may change."""
    copy = here / "openapi.json"
    copy.write_text((stored.folder() / stored.OPENAPI).read_text(encoding="utf-8"), encoding="utf-8")
    return copy


def test_schema_prints_the_committed_file() -> None:
    ran = reconciler("schema")

    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout == (stored.folder() / stored.GRANTS).read_text(encoding="utf-8")
    Draft202012Validator.check_schema(ran.data)


def test_schema_is_derived_from_another_document(openapi: Path) -> None:
    openapi.write_text(openapi.read_text().replace('"maxLength": 280', '"maxLength": 281'), encoding="utf-8")
    ran = reconciler("schema", "--spec", openapi)

    assert ran.code == 0
    assert ran.stdout.replace('"maxLength": 281', '"maxLength": 280') == reconciler("schema").stdout != ran.stdout


def test_check_finds_no_difference_in_the_stored_document(openapi: Path) -> None:
    ran = reconciler("schema", "--spec", openapi, "--check")

    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")


def test_check_lists_each_difference_and_exits_with_1(openapi: Path) -> None:
    openapi.write_text(openapi.read_text().replace('"maxLength": 280', '"maxLength": 281'), encoding="utf-8")
    ran = reconciler("schema", "--spec", openapi, "--check")

    assert ran.code == 1
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "PATCH /client-grants/{id}, body, scope, items.maxLength: theirs 281, ours 280",
        "POST /client-grants, body, scope, items.maxLength: theirs 281, ours 280",
    ]


@pytest.mark.parametrize(
    "text",
    ["{}", "[]", '{"paths": {}}', "1", "null", "[" * 100_000],
    ids=["empty", "list", "no-paths", "number", "null", "deep"],
)
@pytest.mark.parametrize("more", [[], ["--check"]], ids=["derive", "check"])
def test_an_unsuitable_document_is_an_error_of_one_line(openapi: Path, text: str, more: list[str]) -> None:
    openapi.write_text(text, encoding="utf-8")
    ran = reconciler("schema", "--spec", openapi, *more)

    assert (ran.code, ran.stdout) == (1, "")
    assert len(ran.stderr.splitlines()) == 1


def test_text_from_a_document_cannot_control_the_terminal(openapi: Path) -> None:
    strange = json.loads(openapi.read_text())
    whole = json.dumps(strange).replace('"audience"', '"audi\\u001b[2Jence"')
    openapi.write_text(whole, encoding="utf-8")

    assert "\x1b" not in reconciler("schema", "--spec", openapi, "--check").output
