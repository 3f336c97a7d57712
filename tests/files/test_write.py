import sys
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import INVOICES, a_directory, a_grant, a_key, an_api
from support.odd_tenants import odd_texts

from reconciler.contract import stored
from reconciler.core.characters import escape_for_yaml, has_invisible, is_invisible
from reconciler.core.directory import Api, Application, Directory
from reconciler.core.grant import ClientGrant
from reconciler.core.resolve import resolve
from reconciler.core.tenant_filter import ANY_TENANT, select_for_tenant
from reconciler.files.loader import parse
from reconciler.files.schema import violations
from reconciler.files.specs import grant_specs
from reconciler.files.write import MAX_FILE_CHARACTERS, double_quoted, import_file, scalar, split_by_size

HEADING = ["Imported."]
names = st.just("") | odd_texts | st.sampled_from(["half \ud800", "z" * 8193, "a", "${domain}"])


def declared(text: str, directory: Directory) -> list[ClientGrant]:
    document = parse(text.encode(), "file.yaml")
    assert document.problems == ()
    assert violations(document.data, stored.load(stored.GRANTS), file="file.yaml") == ()
    data: Any = document.data
    desired, problems = resolve(select_for_tenant(grant_specs(data, "file.yaml"), ANY_TENANT), directory)
    assert problems == ()
    return [each.grant for each in desired]


@pytest.mark.parametrize("name", ["", "half \ud800", "z" * 8193], ids=["none", "half", "long"])
def test_an_unwritable_name_is_replaced_by_the_id(name: str) -> None:
    directory = a_directory({"billing": name}, [an_api(name=name)])

    text = import_file([a_grant()], directory, HEADING)

    assert "  - client_id: billing" in text
    assert f"    audience: {INVOICES}" in text
    assert declared(text, directory) == [a_grant()]


def test_header_comments_cannot_contain_line_ends() -> None:
    text = import_file([a_grant()], a_directory(), ["x\ngrants: []"], tenant="a: b")

    assert text.startswith('# x\\ngrants: []\ntenants: ["a: b"]\ngrants:\n')


@settings(deadline=None)
@given(st.lists(names, min_size=1, max_size=4), st.lists(names, min_size=1, max_size=3))
def test_a_written_file_declares_the_same_grants(applications: list[str], apis: list[str]) -> None:
    directory = Directory(
        tuple(Application(f"app{place}", name) for place, name in enumerate(applications)),
        tuple(Api(f"api{place}", name) for place, name in enumerate(apis)),
    )
    grants = [
        a_grant(a_key(application.client_id, api.identifier, subject_type=subject))
        for application in directory.applications or ()
        for api in directory.apis or ()
        for subject in ("client", "user")
    ]

    made = declared(import_file(grants, directory, HEADING), directory)

    assert sorted(made, key=lambda grant: grant.key.order) == sorted(grants, key=lambda grant: grant.key.order)


def test_many_large_grants_are_split_into_several_files() -> None:
    scopes = ["s" * 250 + str(number) for number in range(1000)]
    grants = [a_grant(a_key(audience=f"api{number:02}"), scope=scopes) for number in range(12)]

    parts = split_by_size(grants)

    assert [grant for part in parts for grant in part] == grants
    assert len(parts) > 1
    assert all(len(import_file(part, a_directory(), HEADING)) <= MAX_FILE_CHARACTERS * 1.1 for part in parts)


@pytest.mark.parametrize(
    "text", ["read:invoices", "Billing Worker", "https://api.example.com/x", "Überweisung", "a@b+c"]
)
def test_plain_text_is_not_quoted(text: str) -> None:
    assert scalar(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        "No",
        "1:30",
        "0x10",
        "~",
        "a: b",
        "a #b",
        "a:",
        "a ",
        " a",
        "- a",
        "[a",
        "it's",
        "a\u0301",
        "-",
        "é\n",
    ],
)
def test_ambiguous_text_is_quoted(text: str) -> None:
    assert scalar(text).startswith('"')


def test_unprintable_characters_are_escaped() -> None:
    assert double_quoted('a\x1b\u202e\U000e0001"\\日') == '"a\\u001b\\u202e\\U000e0001\\"\\\\日"'


@pytest.mark.slow
def test_no_scalar_contains_an_invisible_character() -> None:
    for number in range(sys.maxunicode + 1):
        if is_invisible(char := chr(number)):
            assert scalar(f"a{char}b") == double_quoted(f"a{char}b") == f'"a{escape_for_yaml(char)}b"'


@given(odd_texts)
def test_every_text_is_read_back_unchanged(text: str) -> None:
    for written in (scalar(text), double_quoted(text)):
        assert written.isprintable()
        assert not has_invisible(written)
        document = f"{written}: [{written}]\nlist:\n  - {written}  # {written if written.isprintable() else ''}\n"
        read = parse(document.encode(), "file.yaml")
        assert read.problems == ()
        assert read.data == {text: [text], "list": [text]} == yaml.safe_load(document)
