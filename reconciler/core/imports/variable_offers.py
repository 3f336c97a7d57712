"""Suggest variables for names in grants, such as application names, that differ in a regular way between tenants.

For example, the application names `Portal dev` and `Portal prod` become `Portal ${stage}`.

To find variables, reconciler replaces one word or host in a string with a placeholder. If the placeholder makes the
strings of several tenants equal, the replaced words or hosts become the values of a variable.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.core.fields import BY_NAME
from reconciler.core.imports.shared_grants import Comments, FieldValue, NamedGrant
from reconciler.core.scope_sets import set_name_of

HOLE = "\0"
VARIABLE = re.compile(r"(\$\$?\{[^}]*\}?)")
"""Matches variables, such as `${stage}`, and escaped variables in a string.

The search for new variables skips the existing variables in a string.
"""
WORD = re.compile(r"[^\W_]+")
HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+")
MIN_TEXTS = 2
"""reconciler suggests a variable only if the variable replaces a word in at least MIN_TEXTS strings.

MIN_TEXTS does not apply if the variable's values are hosts, or occur in the names or domains of the tenants.
"""
MAX_TEXTS = 20_000
MAX_WORDS = 20
"""The maximum number of words in a string that reconciler tries to replace with a variable."""

Values = tuple[tuple[str, str], ...]
"""The value of a variable for each tenant, as sorted pairs of tenant name and value."""


@dataclass(frozen=True, slots=True)
class VariableOffer:
    """A suggested variable, with the value for each tenant and the number of strings that need the variable."""

    name: str
    values: Mapping[str, str]
    texts: int


def find_offers(
    texts: Mapping[str, Collection[str]], names: Mapping[str, Collection[str]], taken: Collection[str]
) -> tuple[VariableOffer, ...]:
    """Suggest variables that allow several tenants to share the same declarations.

    The most useful variable comes first.

    For each tenant, `texts` contains the strings that may contain a variable. `names` contains the names and domains of
    each tenant. `taken` contains the names of the existing variables.
    """
    if sum(map(len, texts.values())) > MAX_TEXTS:
        return ()
    offers: list[VariableOffer] = []
    names_in_use = set(taken)
    current = {tenant: set(each) for tenant, each in texts.items()}
    for pattern in (HOST, WORD):
        found = _regular_values(current, pattern, names)
        if pattern is HOST:
            words = [values for values, _ in _regular_values(current, WORD, names)]
            found = [each for each in found if not any(_explains(values, each[0]) for values in words)]
        for values, count in found:
            offer = VariableOffer(_name(values, names_in_use, pattern), dict(values), count)
            replaced = {tenant: replacements(each, tenant, current, offer) for tenant, each in current.items()}
            used = sum(map(len, replaced.values()))
            if used:
                offers.append(replace(offer, texts=used))
                names_in_use.add(offer.name)
                current = {
                    tenant: {replaced[tenant].get(text, text) for text in each} for tenant, each in current.items()
                }
    return tuple(offers)


def _regular_values(
    texts: Mapping[str, Collection[str]], pattern: re.Pattern[str], names: Mapping[str, Collection[str]]
) -> list[tuple[Values, int]]:
    """Find possible variables. Return the values of each variable, and the number of strings that could contain it.

    The values that most likely belong to a variable come first.
    """
    by_template: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    shared = Counter(text for each in texts.values() for text in each)
    for tenant, each in texts.items():
        for text in each:
            if shared[text] < len(texts):
                for value in _units(text, pattern):
                    by_template[_replace(text, value, HOLE)][tenant].add(value)
    counted: Counter[Values] = Counter()
    for template, found in by_template.items():
        is_clear = len(found) > 1 and all(len(values) == 1 for values in found.values())
        values = tuple(sorted((tenant, next(iter(each))) for tenant, each in found.items()))
        if is_clear and template != HOLE and len({value for _, value in values}) > 1:
            counted[values] += 1
    merged = _merge_partial(counted)
    accepted = {
        values: count
        for values, count in merged.items()
        if count >= MIN_TEXTS or pattern is HOST or _is_named(values, names)
    }
    return sorted(accepted.items(), key=lambda item: (not _is_named(item[0], names), -len(item[0]), -item[1], item[0]))


def _explains(words: Values, hosts: Values) -> bool:
    """Return whether the hosts are equal after replacing each tenant's word in `words` with a placeholder."""
    values = dict(words)
    templates = {_replace(host, values[tenant], HOLE) if tenant in values else "" for tenant, host in hosts}
    return len(templates) == 1 and HOLE in next(iter(templates))


def _merge_partial(counted: Mapping[Values, int]) -> dict[Values, int]:
    """Merge two variables if the first variable has the same values as the second variable, but for fewer tenants."""
    merged: dict[Values, int] = {}
    for values in sorted(counted, key=lambda each: (-len(each), each)):
        whole = next((each for each in merged if set(values) <= set(each)), values)
        merged[whole] = merged.get(whole, 0) + counted[values]
    return merged


def _is_named(values: Values, names: Mapping[str, Collection[str]]) -> bool:
    """Return whether the variable's value for each tenant occurs as a word in the tenant's name or domain."""
    return all(
        value.casefold() in {word.casefold() for name in names.get(tenant, ()) for word in WORD.findall(name)}
        for tenant, value in values
    )


def _units(text: str, pattern: re.Pattern[str]) -> list[str]:
    literals = VARIABLE.split(text)[::2]
    return list(dict.fromkeys(unit for literal in literals for unit in pattern.findall(literal)))[:MAX_WORDS]


def _replace(text: str, value: str, by: str) -> str:
    """Replace each word or host that is equal to `value`, except inside variables.

    Never replace a value after `$`, because the result would be an escaped variable.
    """
    if value not in text:
        return text

    def replace_unit(found: re.Match[str]) -> str:
        start = found.start()
        return by if found[0] == value and found.string[max(0, start - 1) : start] != "$" else found[0]

    pattern = HOST if HOST.fullmatch(value) else WORD
    parts = VARIABLE.split(text)
    return "".join(part if index % 2 else pattern.sub(replace_unit, part) for index, part in enumerate(parts))


def replacements(
    texts: Iterable[str], tenant: str, every: Mapping[str, Collection[str]], offer: VariableOffer
) -> dict[str, str]:
    """Insert the suggested variable into the strings of a tenant, and return a mapping from old string to new string.

    A string stays unchanged unless another tenant has the same string with that tenant's value of the variable.
    """
    value = offer.values.get(tenant)
    if value is None:
        return {}
    variable = f"${{{offer.name}}}"
    found: dict[str, str] = {}
    for text in texts:
        template = _replace(text, value, HOLE)
        if template == text:
            continue
        others = (name for name in offer.values if name != tenant)
        if any(template.replace(HOLE, offer.values[name]) in every.get(name, ()) for name in others):
            found[text] = template.replace(HOLE, variable)
    return found


def _name(values: Values, taken: Collection[str], pattern: re.Pattern[str]) -> str:
    base = "stage"
    if pattern is HOST:
        labels = {value.split(".")[0] for _, value in values}
        label = re.sub(r"[^A-Za-z0-9]", "_", next(iter(labels))) if len(labels) == 1 else ""
        base = f"{label}_host" if label[:1].isalpha() else "host"
    numbered = (base if number == 1 else f"{base}_{number}" for number in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)


def texts_of(grants: Iterable[NamedGrant]) -> Iterator[str]:
    """Yield the values of all grant fields that may contain variables, except references to scope sets."""
    for grant in grants:
        for name, value in grant.fields.items():
            if BY_NAME[name].has_variables:
                texts = value if isinstance(value, tuple) else (str(value),)
                yield from (text for text in texts if name != "scope" or not set_name_of(text))


def apply_offers(
    by_tenant: Mapping[str, Sequence[NamedGrant]], offers: Iterable[VariableOffer]
) -> dict[str, list[NamedGrant]]:
    """Insert the suggested variables into the grants of each tenant."""
    result = {tenant: list(grants) for tenant, grants in by_tenant.items()}
    for offer in offers:
        every = {tenant: set(texts_of(grants)) for tenant, grants in result.items()}
        for tenant, grants in result.items():
            changes = replacements(every[tenant], tenant, every, offer)
            result[tenant] = [_with_changes(grant, changes) for grant in grants] if changes else grants
    return result


def _with_changes(grant: NamedGrant, changes: Mapping[str, str]) -> NamedGrant:
    def change(name: str, value: FieldValue) -> FieldValue:
        if not BY_NAME[name].has_variables or isinstance(value, bool):
            return value
        if isinstance(value, tuple):
            return tuple(sorted(changes.get(text, text) for text in value))
        return changes.get(value, value)

    fields = {name: change(name, value) for name, value in grant.fields.items()}
    comments: dict[tuple[str, str], Comments] = {
        (name, changes.get(item, item)): each for (name, item), each in grant.comments.items()
    }
    return replace(grant, fields=fields, comments=comments)
