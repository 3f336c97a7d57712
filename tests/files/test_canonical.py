import re
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from support.layouts import grant_files

from reconciler.core.canonical import field_order, grant_order
from reconciler.core.spec import GrantSpec
from reconciler.files.canonical import canonical
from reconciler.files.loader import parse
from reconciler.files.specs import grant_specs

calm = settings(deadline=None)
COMMENT = re.compile(r"#[^\n\r]*")
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def comments(text: str) -> list[str]:
    return sorted(COMMENT.findall(QUOTED.sub("", text)))


def grants_in(text: str) -> Any:
    data: Any = parse(text.encode(), "file").data
    return data["grants"]


def declared(text: str) -> list[GrantSpec]:
    """What a file declares, wherever in it."""
    data: Any = parse(text.encode(), "file").data
    specs = grant_specs(data, "file")
    placeless = [replace(spec, mark=(1, 1), scope=tuple(sorted(spec.scope))) for spec in specs]
    return sorted(placeless, key=repr)


@calm
@given(grant_files())
def test_every_file_is_put_in_order_and_declares_the_same_with_every_comment(text: str) -> None:
    ordered = canonical(text, "file")

    assert isinstance(ordered, str)
    assert declared(ordered) == declared(text)
    assert comments(ordered) == comments(text)
    assert sorted("".join(ordered.split())) == sorted("".join(text.split()))


@calm
@given(grant_files())
def test_a_file_that_was_put_in_order_is_in_order(text: str) -> None:
    ordered = canonical(text, "file")

    assert isinstance(ordered, str)
    assert canonical(ordered, "file") == ordered


@calm
@given(grant_files())
def test_grants_keys_and_scopes_are_sorted(text: str) -> None:
    ordered = canonical(text, "file")

    assert isinstance(ordered, str)
    items = list(map(dict, grants_in(ordered)))
    assert list(map(grant_order, items)) == sorted(map(grant_order, items))
    for item in items:
        assert list(map(field_order, item)) == sorted(map(field_order, item))
        assert item.get("scope", []) == sorted(item.get("scope", [])) or "#" in ordered
