from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.files.config_edit import add_settings, add_tenant, merged, write_settings
from reconciler.files.update import NotEditableError

BEFORE = """\
# top
tenants:
  dev: {domain: dev.auth0.com}  # flow
  prod:
    domain: prod.auth0.com  # block
    variables:
      a: b
    protect:
      - client: Old  # old
        reason: x
  # after prod

# the end
"""
ADDED: dict[str, Any] = {
    "tenants": {
        "dev": {"variables": {"a": "1"}},
        "prod": {"variables": {"c": "d: e"}, "protect": [{"client": "New"}]},
        "new": {"domain": "new.auth0.com"},
    },
    "protect": [{"audience": "*"}],
}
AFTER = """\
# top
tenants:
  dev: {domain: dev.auth0.com, variables: {a: "1"}}  # flow
  prod:
    domain: prod.auth0.com  # block
    variables:
      a: b
      c: "d: e"
    protect:
      - client: Old  # old
        reason: x
      - {client: New}
  new:
    domain: new.auth0.com
protect:
  - {audience: "*"}
  # after prod

# the end
"""


def test_settings_are_added_and_all_other_lines_are_kept() -> None:
    assert add_settings(BEFORE, ADDED) == AFTER
    assert add_settings(BEFORE.replace("\n", "\r\n"), ADDED) == AFTER.replace("\n", "\r\n")
    assert add_settings(BEFORE, {}) == BEFORE


def test_a_file_without_a_last_line_end_gets_one() -> None:
    assert add_settings("a: {b: c}", {"a": {"d": "e"}, "f": ["g"]}) == "a: {b: c, d: e}\nf:\n  - g\n"


@pytest.mark.parametrize(
    ("text", "additions"),
    [
        ("tenants:\n", {"tenants": {"dev": {}}}),
        ("tenants: []\n", {"tenants": {"dev": {}}}),
        ("protect: {a: b}\n", {"protect": ["x"]}),
        ("a: 1\n", {"a": "2"}),
        ("variables: {a: b}\n", {"variables": {"a": "c"}}),
        ("", {"a": "b"}),
        ("a: [\n", {"a": "b"}),
    ],
)
def test_an_uneditable_configuration_is_refused(text: str, additions: dict[str, Any]) -> None:
    with pytest.raises(NotEditableError):
        add_settings(text, additions)


names = st.sampled_from(["a", "b", "dev", "true", "1", "x y"])
leaves = st.sampled_from(["x", "a: b", "# c", "", "no", "1", "é"])
trees = st.recursive(
    leaves,
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3) | st.lists(inner, min_size=1, max_size=2),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.dictionaries(names, trees, min_size=1, max_size=3), st.dictionaries(names, trees, min_size=1, max_size=3))
def test_the_result_has_the_old_and_the_new_settings(before: dict[str, Any], added: dict[str, Any]) -> None:
    for text in (write_settings(before), yaml.safe_dump(before), yaml.safe_dump(before, default_flow_style=True)):
        try:
            changed = add_settings(text, added)
        except NotEditableError:
            continue
        assert yaml.safe_load(changed) == merged(before, added)


CONFIGURATIONS = {
    "block": (
        "tenants:\n  # ours\n  dev:\n    domain: d.auth0.com # 1\n# end\nown: [x]\n",
        "tenants:\n  # ours\n  dev:\n    domain: d.auth0.com # 1\n  prod:\n    domain: p.auth0.com\n# end\nown: [x]\n",
    ),
    "wide indent": (
        "tenants:\n    dev:\n        domain: dev.auth0.com",
        "tenants:\n    dev:\n        domain: dev.auth0.com\n    prod:\n        domain: p.auth0.com\n",
    ),
    "flow tenant in block": (
        "tenants:\n  dev: {domain: dev.auth0.com}\n",
        "tenants:\n  dev: {domain: dev.auth0.com}\n  prod:\n    domain: p.auth0.com\n",
    ),
    "flow": (
        "tenants: {dev: {domain: dev.auth0.com}} # all\n",
        "tenants: {dev: {domain: dev.auth0.com}, prod: {domain: p.auth0.com}} # all\n",
    ),
    "empty flow": ("tenants: {}\n", "tenants: {prod: {domain: p.auth0.com}}\n"),
    "no value": ("tenants: # none\nown: [x]\n", "tenants: # none\n  prod:\n    domain: p.auth0.com\nown: [x]\n"),
    "missing": ("# mine\nown: [x]\n", "# mine\nown: [x]\ntenants:\n  prod:\n    domain: p.auth0.com\n"),
    "empty": ("", "tenants:\n  prod:\n    domain: p.auth0.com\n"),
    "windows": (
        "tenants:\r\n  dev:\r\n    domain: dev.auth0.com\r\n",
        "tenants:\r\n  dev:\r\n    domain: dev.auth0.com\r\n  prod:\r\n    domain: p.auth0.com\r\n",
    ),
    "block scalar at the end": (
        "tenants:\n  dev:\n    variables:\n      x: |\n        long\n\nown: [x]\n",
        "tenants:\n  dev:\n    variables:\n      x: |\n        long\n  prod:\n    domain: p.auth0.com\n\nown: [x]\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), CONFIGURATIONS.values(), ids=list(CONFIGURATIONS))
def test_a_tenant_is_added_to_any_layout(before: str, after: str) -> None:
    assert add_tenant(before, "prod", "p.auth0.com") == after


def test_an_unusual_name_is_quoted() -> None:
    assert add_tenant("tenants: {}\n", "yes", "p.auth0.com") == 'tenants: {"yes": {domain: p.auth0.com}}\n'


@pytest.mark.parametrize("text", ["{tenants: {}}\n", "tenants: ~\n"])
def test_a_layout_without_a_place_for_the_tenant_is_refused(text: str) -> None:
    with pytest.raises(NotEditableError):
        add_tenant(text, "prod", "p.auth0.com")
