import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.commands import SECRET, SEED, a_workspace, reconciler

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
        "PATCH /client-grants/{id}, body, scope, items.maxLength: 281 instead of 280",
        "POST /client-grants, body, scope, items.maxLength: 281 instead of 280",
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
    text = json.dumps(strange).replace('"audience"', '"audi\\u001b[2Jence"')
    openapi.write_text(text, encoding="utf-8")

    assert "\x1b" not in reconciler("schema", "--spec", openapi, "--check").output


def test_the_schema_of_a_tenant_offers_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = a_workspace(tmp_path, monkeypatch)

    ran = reconciler("schema", "--tenant", "local", "--out", ".reconciler/grants.schema.json")

    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "written  .reconciler/grants.schema.json\n")
    text = (here / ".reconciler" / "grants.schema.json").read_text(encoding="utf-8")
    fields = json.loads(text)["properties"]["grants"]["items"]["properties"]
    assert fields["client"]["anyOf"][0] == {"enum": ["Billing", "Portal", "Reconciler"]}
    assert reconciler("schema", "--tenant", "local").stdout == text
    assert SECRET not in text


def test_only_the_owner_may_read_a_schema_with_names_of_a_tenant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = a_workspace(tmp_path, monkeypatch)
    (here / "existing.json").touch()
    usual_mode = (here / "existing.json").stat().st_mode

    for name in ("new.json", "existing.json"):
        assert reconciler("schema", "--tenant", "local", "--out", name).code == 0
        assert stat.S_IMODE((here / name).stat().st_mode) == 0o600
    assert reconciler("schema", "--out", "public.json").code == 0
    assert (here / "public.json").stat().st_mode == usual_mode


def test_the_schema_of_a_tenant_says_what_the_token_may_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = SEED.replace("client_id: own,", "client_id: own, scope: ['read:clients'],")
    a_workspace(tmp_path, monkeypatch, tenant=seed)

    ran = reconciler("schema", "--tenant", "local")

    lacks = (
        "the token lacks the permissions read:resource_servers and read:organizations to list APIs and organizations"
    )
    assert (ran.code, ran.stderr) == (
        0,
        f"Note: the schema lacks the names of APIs and organizations, because {lacks}\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--tenant local --spec x.json", "--spec and --tenant cannot be combined"),
        ("--tenant other", 'does not declare the tenant "other"'),
        ("--spec x.json --check --out y", "--check writes no schema"),
        ("--tenant local --out reconciler.yaml/x", "cannot be written"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, message: str
) -> None:
    a_workspace(tmp_path, monkeypatch)

    ran = reconciler("schema", *arguments.split())

    assert (ran.code in (1, 2), message in ran.stderr) == (True, True), ran.stderr


def test_the_generic_schema_can_be_written_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = a_workspace(tmp_path, monkeypatch)

    assert reconciler("schema", "--out", "new/s.json").code == 0

    assert (here / "new" / "s.json").read_text(encoding="utf-8") == reconciler("schema").stdout


def whole_document(openapi: Path) -> dict[str, Any]:
    """Return the stored document with every operation of the table of writes."""
    document: dict[str, Any] = json.loads(openapi.read_text())
    paths = document["paths"]
    for operation, scopes in stored.load(stored.WRITES)["operations"].items():
        method, _, path = operation.partition(" ")
        own = next((each for each in paths if re.sub(r"{[^}]*}", "{id}", each) == path), path)
        item = paths.setdefault(own, {}).setdefault(method.lower(), {})
        item["security"] = [{"bearer": [scope]} for scope in scopes]
    return document


def test_the_table_of_writes_can_be_derived_from_a_document(openapi: Path) -> None:
    openapi.write_text(json.dumps(whole_document(openapi)))

    derived = reconciler("schema", "--spec", openapi, "--operations").stdout

    assert derived == reconciler("schema", "--operations").stdout
    assert derived == (stored.folder() / stored.WRITES).read_text(encoding="utf-8")
    assert reconciler("schema", "--spec", openapi, "--check").code == 0


def test_check_covers_the_table_of_writes(openapi: Path) -> None:
    document = whole_document(openapi)
    paths = document["paths"]
    paths["/clients"]["post"]["security"].append({"bearer": ["create:anything"]})
    paths["/of/the/future"] = {"put": {"security": [{"bearer": ["update:future"]}]}}
    del paths["/users"]["post"]
    openapi.write_text(json.dumps(document))

    ran = reconciler("schema", "--spec", openapi, "--check")

    assert ran.code == 1
    assert ran.stdout.splitlines() == [
        "POST /clients, scopes: create:anything, create:clients instead of create:clients",
        "POST /users: missing",
        "PUT /of/the/future: new",
    ]


@pytest.mark.parametrize("security", [None, [1], [{"bearer": None}], {}, "x"])
def test_an_operation_without_valid_security_has_no_scopes(openapi: Path, security: object) -> None:
    document = whole_document(openapi)
    document["paths"]["/clients"]["post"]["security"] = security
    openapi.write_text(json.dumps(document))

    ran = reconciler("schema", "--spec", openapi, "--check")

    assert ran.stdout == "POST /clients, scopes: none instead of create:clients\n"
