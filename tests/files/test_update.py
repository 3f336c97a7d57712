"""Grants are changed and removed in files of any layout. Everything else stays."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.grant_file_layouts import TEXTS, grant_files

from reconciler.contract import stored
from reconciler.core.imports.selection import GrantUpdate, SetUpdate
from reconciler.core.spec import GrantSpec
from reconciler.files.layout import read_layout
from reconciler.files.read import validate_file
from reconciler.files.specs import grant_specs
from reconciler.files.update import NotEditableError, update_text

TEXT = """\
# the head of the file
grants:
  # pays the bills
  - client: Billing
    api: Invoices API
    scope:
      - read:invoices  # nightly
      # only at the end of the year
      - write:invoices

  # people
  - client: Portal
    api: Invoices API  # the public one
    scope: [read:invoices, write:invoices]
"""
BILLING, PORTAL = (4, 5), (12, 5)


def scope(remove: str = "", add: str = "") -> GrantUpdate:
    return GrantUpdate({"scope": SetUpdate(frozenset(remove.split()), tuple(add.split()))})


def test_an_item_is_removed_with_its_comment() -> None:
    expected = TEXT.replace("      # only at the end of the year\n      - write:invoices\n", "")

    assert update_text(TEXT, {BILLING: scope("write:invoices")}) == expected


def test_an_item_is_added_at_the_end() -> None:
    expected = TEXT.replace("      - write:invoices\n", "      - write:invoices\n      - void:invoices\n")

    assert update_text(TEXT, {BILLING: scope(add="void:invoices")}) == expected


def test_a_list_between_brackets_stays_on_its_line() -> None:
    expected = TEXT.replace("[read:invoices, write:invoices]", "[read:invoices, void:invoices]")

    assert update_text(TEXT, {PORTAL: scope("write:invoices", "void:invoices")}) == expected


def test_a_list_that_loses_all_items_is_empty() -> None:
    updated = update_text(TEXT, {BILLING: scope("read:invoices write:invoices")})

    assert "    scope: []\n\n" in updated


def test_a_new_field_goes_to_its_place_in_the_order() -> None:
    updated = update_text(TEXT, {BILLING: GrantUpdate({"organization_usage": "allow", "subject_type": "user"})})

    assert "    api: Invoices API\n    subject_type: user\n    scope:\n" in updated
    assert "      - write:invoices\n    organization_usage: allow\n\n  # people" in updated


def test_a_grant_is_removed_with_its_comment() -> None:
    head, _, _ = TEXT.partition("\n  # people")

    assert update_text(TEXT, {PORTAL: None}) == head
    assert update_text(TEXT, {BILLING: None}).startswith("# the head of the file\ngrants:\n\n  # people\n")


def test_a_file_without_remaining_grants_declares_an_empty_list() -> None:
    assert update_text(TEXT, {BILLING: None, PORTAL: None}) == "# the head of the file\ngrants: []\n"


def test_a_comment_between_brackets_is_not_lost() -> None:
    text = TEXT.replace("[read:invoices,", "[read:invoices, # why\n     ")

    with pytest.raises(NotEditableError, match="contains a comment"):
        update_text(text, {PORTAL: scope("write:invoices")})


def specs_of(text: str) -> tuple[GrantSpec, ...]:
    file = validate_file("f.yaml", text.encode(), stored.load(stored.GRANTS))
    assert not file.problems, (text, file.problems)
    return grant_specs(file.data, file.file)


def content(spec: GrantSpec) -> dict[str, Any]:
    values = spec._asdict()
    return {name: set(value) if name == "scope" else value for name, value in values.items() if name != "locations"}


LITERAL = """\
grants:
  - client: A
    api: B
    scope: [a]
    description: |
      one
  - client: C
    api: D
    scope: [a]
"""


@pytest.mark.parametrize("after", ["", "\n        # deep\n", "\n\n      # deep\n\n        # deeper\n\n"])
def test_a_comment_after_a_removed_grant_does_not_become_text_of_the_grant_before_it(after: str) -> None:
    text = LITERAL + after + "# end\n"
    _, removed = specs_of(text)

    updated = update_text(text, {removed.locations.mark: None})

    assert [spec.description for spec in specs_of(updated)] == ["one\n"]
    assert read_layout(updated).comments == ("# end",)


@pytest.mark.parametrize("header", ["|-", ">-", "|-  # why", "|- # a+b", "|2- # '+"])
@pytest.mark.parametrize("after", ["", "# c\n", "\n    # c\n", "    subject_type: client\n"])
def test_a_changed_block_literal_keeps_the_comments_around_it(header: str, after: str) -> None:
    text = f"grants:\n  - client: A\n    api: B\n    scope: [a]\n    organization_usage: {header}\n      deny\n{after}"
    (before,) = specs_of(text)

    updated = update_text(text, {before.locations.mark: GrantUpdate({"organization_usage": "allow"})})

    (found,) = specs_of(updated)
    assert content(found) == {**content(before), "organization_usage": "allow"}
    _, sign, comment = header.partition("#")
    assert f"organization_usage: allow{f'  {sign}{comment}' if sign else ''}\n{after}" in updated


USAGES = st.sampled_from(["deny", "allow", "require"])


@given(grant_files(), st.data())
def test_only_the_changed_grants_differ(text: str, data: st.DataObject) -> None:
    before = specs_of(text)
    updates: dict[tuple[int, int], GrantUpdate | None] = {}
    expected: list[dict[str, Any]] = []
    for spec in before:
        values = content(spec)
        match data.draw(st.sampled_from(["keep", "remove", "scope", "usage"])):
            case "remove":
                updates[spec.locations.mark] = None
                continue
            case "scope":
                wanted = data.draw(st.lists(st.sampled_from(TEXTS), max_size=4, unique=True))
                remove = frozenset(spec.scope) - frozenset(wanted)
                add = tuple(each for each in wanted if each not in spec.scope)
                updates[spec.locations.mark] = GrantUpdate({"scope": SetUpdate(remove, add)})
                values["scope"] = set(wanted)
            case "usage":
                values["organization_usage"] = data.draw(USAGES)
                updates[spec.locations.mark] = GrantUpdate({"organization_usage": values["organization_usage"]})
            case _:
                pass
        expected.append(values)
    try:
        updated = update_text(text, updates)
    except NotEditableError:
        assume(False)

    assert [content(spec) for spec in specs_of(updated)] == expected
    if all(update and not _removed(update) for update in updates.values()):
        assert sorted(read_layout(updated).comments) == sorted(read_layout(text).comments)


def _removed(update: GrantUpdate) -> bool:
    return any(isinstance(value, SetUpdate) and value.remove for value in update.fields.values())
