import re
from dataclasses import replace

import pytest
from hypothesis import given
from support.layouts import grant_files

from reconciler.core.canonical import field_order, grant_order
from reconciler.core.problems import Problem
from reconciler.core.spec import GrantSpec
from reconciler.files.canonical import canonical
from reconciler.files.document import Sequence
from reconciler.files.loader import parse
from reconciler.files.specs import grant_specs

COMMENT = re.compile(r"#[^\n\r]*")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def comments(text: str) -> list[str]:
    return sorted(COMMENT.findall(QUOTED.sub("", text)))


def declared(text: str) -> list[GrantSpec]:
    """What a file declares, wherever in it."""
    specs = grant_specs(parse(text.encode(), "file").data, "file")  # type: ignore[arg-type] # a mapping
    placeless = [replace(spec, mark=(1, 1), scope=tuple(sorted(spec.scope))) for spec in specs]
    return sorted(placeless, key=repr)


@given(grant_files())
def test_every_file_is_put_in_order_and_declares_the_same_with_every_comment(text: str) -> None:
    ordered = canonical(text, "file")

    assert isinstance(ordered, str)
    assert declared(ordered) == declared(text)
    assert comments(ordered) == comments(text)
    assert sorted("".join(ordered.split())) == sorted("".join(text.split()))


@given(grant_files())
def test_a_file_that_was_put_in_order_is_in_order(text: str) -> None:
    ordered = canonical(text, "file")

    assert isinstance(ordered, str)
    assert canonical(ordered, "file") == ordered


@given(grant_files())
def test_grants_keys_and_scopes_are_sorted(text: str) -> None:
    ordered = canonical(text, "file")

    assert isinstance(ordered, str)
    items = parse(ordered.encode(), "file").data["grants"]  # type: ignore[index,call-overload] # a mapping
    assert list(map(grant_order, items)) == sorted(map(grant_order, items))
    for item in items:
        assert list(map(field_order, item)) == sorted(map(field_order, item))
        scopes = item.get("scope", Sequence())
        assert scopes == sorted(scopes) or "#" in ordered
