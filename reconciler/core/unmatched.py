"""Pure: report items of `protect`, `manage` and `policy` that match no grant, and suggest similar names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reconciler.core.directory import Directory
from reconciler.core.grant import Key
from reconciler.core.pattern import (
    PATTERN_FIELDS,
    WILDCARDS,
    ManagedScope,
    Match,
    Pattern,
    Unread,
    Value,
    matches,
    value_of,
)
from reconciler.core.policy import Policy
from reconciler.core.suggest import Suggestions, explain_normalization, to_nfc

MAX_REPORTED = 20


@dataclass(frozen=True, slots=True)
class ConfigItem:
    """An item of a list in reconciler.yaml. `setting` is the name of the list."""

    setting: str
    pattern: Pattern


def items_of(protect: Iterable[Pattern], managed_scope: ManagedScope, policy: Policy) -> Iterator[ConfigItem]:
    """Yield the items with patterns. Policy rules without a pattern are left out, because they match all grants."""
    yield from (ConfigItem("protect", each) for each in protect)
    yield from (ConfigItem("manage", each) for each in managed_scope.patterns)
    yield from (ConfigItem(f"policy {each.rule}", each.grants) for each in policy.all_rules if str(each.grants))


def find_unmatched(items: Iterable[ConfigItem], keys: Iterable[Key], directory: Directory) -> Iterator[str]:
    """Yield a message for each item that certainly matches none of `keys`.

    After MAX_REPORTED messages, yield one message with the number of further items.
    """
    items, keys = tuple(items), tuple(keys)
    if not items:
        return
    values = {name: {value_of(name, key, directory) for key in keys} for name in PATTERN_FIELDS}
    found = [item for item in items if not _matches_any(item.pattern, keys, values, directory)]
    suggest = Suggestions(MAX_REPORTED)
    for item in found[:MAX_REPORTED]:
        suggestions = (
            _suggestion(name, item.pattern, values[name] | _known_names(name, directory), suggest)
            for name in PATTERN_FIELDS
        )
        suggestion = next(filter(None, suggestions), "")
        yield f"{item.setting} matches no grant: {item.pattern}; {suggestion or 'compare the spelling with the tenant'}"
    if found[MAX_REPORTED:]:
        yield f"{len(found) - MAX_REPORTED} more items of reconciler.yaml match no grant"


Values = dict[str, set[Value]]


def _matches_any(pattern: Pattern, keys: Iterable[Key], values: Values, directory: Directory) -> bool:
    """Return whether the pattern may match a grant. Distinct values are compared first, because that is faster."""
    parts = {name: getattr(pattern, name) for name in PATTERN_FIELDS if getattr(pattern, name) is not None}
    for name, text in parts.items():
        if not any(_may_match(value, text) for value in values[name]):
            return False
    return any(pattern.matches(key, directory) is not Match.NO for key in keys)


def _may_match(value: Value, text: str) -> bool:
    return value is Unread.VALUE or (isinstance(value, str) and matches(value, text))


def _known_names(name: str, directory: Directory) -> set[Value]:
    """Return all values in the directory for a field of a pattern, including those without grants."""
    known: dict[str, Iterable[str]] = {
        "client": directory.client_ids_by_name,
        "client_id": directory.applications_by_id,
        "api": directory.identifiers_by_name,
        "audience": directory.apis_by_identifier,
    }
    return set(known.get(name, ()))


def _suggestion(name: str, pattern: Pattern, values: set[Value], suggest: Suggestions) -> str:
    text = getattr(pattern, name)
    known = [value for value in values if isinstance(value, str)]
    if text is None or any(matches(value, text) for value in known):
        return ""
    if known_text := next((each for each in known if matches(to_nfc(each), to_nfc(text))), None):
        return explain_normalization(known_text)
    return suggest("".join(character for character in text if character not in WILDCARDS), known)
