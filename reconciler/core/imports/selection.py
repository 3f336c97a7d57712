"""Select the grants that `import` adds to grant files, and the grant declarations that `import` updates."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reconciler.core.characters import quote_text
from reconciler.core.directory import Directory, TenantList
from reconciler.core.expiry import expiry_text, has_expired
from reconciler.core.expressible import reason_not_expressible
from reconciler.core.fields import BY_NAME, ORGANIZATIONS, FieldKind
from reconciler.core.grant import EMPTY_SET, ClientGrant, Key, ObservedGrant, index_by_key
from reconciler.core.guards import ProtectionRules
from reconciler.core.organizations import may_have_organizations
from reconciler.core.pattern import matches
from reconciler.core.plan import Update, compare
from reconciler.core.problems import Problem, Severity
from reconciler.core.resolve import DesiredGrant, resolve
from reconciler.core.scope_sets import expand_scopes
from reconciler.core.spec import GrantSpec, Mark
from reconciler.core.tenant_filter import TargetTenant, applies_to_tenant, patterns_of, substitute, substitute_spec
from reconciler.errors import ReconcilerError

MAX_STEM_LENGTH = 60
WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
)
"""The file names that Windows reserves for devices, such as `con`.

Windows also reserves device names with a suffix, such as `con.yaml`.
"""


def file_stem(*texts: str) -> str:
    """Convert a name to a file name without suffix. Use the first name in `texts` that contains a letter or a digit.

    The file name contains only lower-case ASCII letters, digits and hyphens, which all file systems allow. The function
    removes accents. The file name is `application` if no name in `texts` contains a letter or a digit.
    """
    words = next(filter(None, map(_words, texts)), ["application"])
    stem = "-".join(words)[:MAX_STEM_LENGTH].strip("-")
    return f"{stem}-application" if stem in WINDOWS_DEVICES else stem


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", plain.lower())


class UniqueNames:
    """Makes file names unique by adding a number to a repeated name. Upper and lower case count as equal."""

    def __init__(self, used: Iterable[str]) -> None:
        self._used = {name.casefold() for name in used}
        self._last: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        """Return `name`, or a name such as `name-2` or `name-3` if `name` is already used."""
        free = name
        while free in self._used:
            self._last[name] += 1
            free = f"{name}-{self._last[name] + 1}"
        self._used.add(free)
        return free


@dataclass(frozen=True, slots=True)
class ImportFilter:
    """A filter for grants. A selected grant matches a pattern in `clients` and a pattern in `audiences`, by name or id.

    An empty list of patterns matches all grants.
    """

    clients: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()

    def matches(self, key: Key, directory: Directory) -> bool:
        """Return whether the filter selects the grant with the identity `key`."""
        holders = [key.holder, directory.client_name(key) or ""]
        apis = [key.audience, directory.api_name(key) or ""]
        return self.selects(holders, apis)

    def refuse_unread_names(self, keys: Collection[Key], directory: Directory) -> None:
        """Raise ReconcilerError if a pattern matches no id, and reconciler could not read the names.

        Without the names, the filter would silently leave out grants.
        """
        for patterns, needed, what, ids in (
            (self.clients, TenantList.APPLICATIONS, "client id", {key.holder for key in keys}),
            (self.audiences, TenantList.APIS, "identifier of the API", {key.audience for key in keys}),
        ):
            unmatched = [each for each in patterns if not any(matches(text, each) for text in ids)]
            if unmatched and needed not in directory.read:
                reason = directory.reason_unread([needed])
                name = quote_text(unmatched[0])
                raise ReconcilerError(
                    f"{name} may be a name, but names are not known, because {reason}; use the {what}"
                )

    def selects(self, holders: Iterable[str], apis: Iterable[str]) -> bool:
        """Return whether the filter selects a grant. The arguments contain names and ids of the application and API."""
        return _any_matches(holders, self.clients) and _any_matches(apis, self.audiences)


@dataclass(frozen=True, slots=True)
class NotImported:
    """A grant that `import` does not write to a file, and the reason."""

    key: Key
    reason: str


@dataclass(frozen=True, slots=True)
class GrantImport:
    """The grants that `import` writes to grant files, and the grants that `import` leaves out."""

    holders: tuple[tuple[str, tuple[ClientGrant, ...]], ...]
    """The grants to import, grouped by application.

    Each item of `holders` contains a file name without suffix, and the grants of one application. Grants with the same
    value of `default_for` also form one item.

    Several items of `holders` may contain the same file name, because applications may have similar names.
    """
    left_out: tuple[NotImported, ...]
    """The undeclared grants that `import` does not write to a file, each with a reason."""
    declared: int
    """The number of selected grants that the files already declare."""

    @property
    def count(self) -> int:
        """The number of grants that `import` writes to files."""
        return sum(len(grants) for _, grants in self.holders)


def select_grants(
    observed: Iterable[ObservedGrant],
    directory: Directory,
    *,
    choice: ImportFilter,
    protection: ProtectionRules,
    declared: Collection[Key],
) -> GrantImport:
    """Select the grants that `import` writes to grant files.

    Omit grants that the files already declare. Include grants that `protect` matches.
    """
    observed = list(observed)
    choice.refuse_unread_names([each.key for each in observed], directory)
    selected = [each for each in observed if choice.matches(each.key, directory)]
    new_grants = sorted((each for each in selected if each.key not in declared), key=lambda each: each.key.order)
    rules = protection._replace(protect=())
    reasons = {each.key: _reason(each, rules, directory) for each in new_grants}
    return GrantImport(
        holders=_by_holder((each.grant for each in new_grants if not reasons[each.key]), directory),
        left_out=tuple(NotImported(key, reason) for key, reason in reasons.items() if reason),
        declared=len(selected) - len(new_grants),
    )


def _reason(each: ObservedGrant, rules: ProtectionRules, directory: Directory) -> str | None:
    if reason := rules.reason(each.key, each, directory):
        return reason[1]
    why_not = reason_not_expressible(each.grant)
    return why_not and f"a grant file cannot express this grant: {why_not}"


def _by_holder(grants: Iterable[ClientGrant], directory: Directory) -> tuple[tuple[str, tuple[ClientGrant, ...]], ...]:
    groups: dict[tuple[str, str, str], list[ClientGrant]] = defaultdict(list)
    for grant in grants:
        key = grant.key
        name = f"default for {key.default_for}" if key.default_for else directory.client_name(key) or ""
        groups[file_stem(name, key.client_id or ""), key.client_id or "", key.default_for or ""].append(grant)
    return tuple((name, tuple(group)) for (name, _, _), group in sorted(groups.items(), key=lambda item: item[0]))


def _any_matches(values: Iterable[str], patterns: Collection[str]) -> bool:
    return not patterns or any(matches(value, pattern) for value in values for pattern in patterns)


ItemWriter = Callable[[str, str], str]
"""A function that converts an item of a list field, such as a scope, to the grant file's spelling.

An `ItemWriter` takes the name of the list field and the item.
"""


@dataclass(frozen=True, slots=True)
class SetUpdate:
    """A change of a list in a grant file. `remove` contains the items to remove, as spelled in the file.

    `add` contains the items to add.
    """

    remove: frozenset[str]
    add: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GrantUpdate:
    """The new values for the fields of a grant, by the name of the field."""

    fields: Mapping[str, str | bool | SetUpdate]


@dataclass(frozen=True, slots=True)
class GrantSplit:
    """An update that splits a declaration for several tenants, because the grant of one tenant differs.

    After the update, the original declaration applies to `others`, and a copy of the declaration applies to `tenant`.

    `update` contains the new values of the fields in the copy of the declaration. If the tenant does not have the
    grant, `update` is None, and `import` writes no separate declaration for the tenant.
    """

    others: SetUpdate
    tenant: str
    update: GrantUpdate | None


FileUpdates = Mapping[Mark, GrantUpdate | GrantSplit | None]
"""The updates of a grant file, by the line and column of each declaration.

If the update of a declaration is None, `import` removes the declaration.
"""


@dataclass(frozen=True, slots=True)
class SelectedUpdates:
    """The updates of each grant file, and a warning for each differing declaration that `import` cannot update."""

    by_file: Mapping[str, FileUpdates] = field(default_factory=dict)
    not_updated: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRules:
    """The rules that decide which declarations `import` updates, and how `import` writes the new values."""

    target: TargetTenant
    """The tenant whose grants `import` reads."""
    other_tenants: Sequence[str]
    """The names of all tenants in reconciler.yaml except the imported tenant."""
    choice: ImportFilter
    """The filter that selects the grants to update."""
    write_item: ItemWriter
    """A function that returns the text for an item of a list field in a grant file, possibly with variables."""
    now: datetime
    """The time of the run. A grant has expired if its expiry date is before the time of the run."""


def select_updates(
    specs: Iterable[GrantSpec], observed: Iterable[ObservedGrant], directory: Directory, rules: UpdateRules
) -> SelectedUpdates:
    """Return an update for each declaration that differs from the tenant.

    `specs` contains the declarations of all tenants, with variables instead of the tenants' values.
    """
    by_key = index_by_key(observed)
    rules.choice.refuse_unread_names(by_key, directory)
    by_file: dict[str, dict[Mark, GrantUpdate | GrantSplit | None]] = {}
    not_updated: list[Problem] = []
    for spec in specs:
        if not applies_to_tenant(patterns_of(spec), rules.target.name):
            continue
        desired, problems = resolve([substitute_spec(spec, rules.target)], directory)
        if not desired:
            not_updated.extend(_warnings(problems))
            continue
        if not rules.choice.matches(desired[0].key, directory):
            continue
        found = _update_of(spec, desired[0], by_key.get(desired[0].key), directory, rules)
        if isinstance(found, Problem):
            not_updated.append(found)
        elif spec.clients and (found is None or found.fields):
            not_updated.append(_warning(spec, "this declaration has several clients"))
        elif found is None or found.fields:
            others = [name for name in rules.other_tenants if applies_to_tenant(patterns_of(spec), name)]
            update = _split(spec, found, others, rules.target.name) if others else found
            by_file.setdefault(spec.file, {})[spec.locations.mark] = update
    return SelectedUpdates(by_file, tuple(not_updated))


def _split(spec: GrantSpec, update: GrantUpdate | None, others: Sequence[str], tenant: str) -> GrantSplit:
    own = [pattern.text for pattern in spec.tenants[-1]] if spec.tenants else []
    return GrantSplit(SetUpdate(frozenset(own), tuple(others)), tenant, update)


def _warnings(problems: Iterable[Problem]) -> Iterator[Problem]:
    return (
        Problem(each.source, each.what, "correct the name, or remove the grant", Severity.WARNING) for each in problems
    )


def _warning(spec: GrantSpec, what: str, fix: str = "edit the declaration by hand") -> Problem:
    return Problem(spec.source, f"not updated: {what}", fix, Severity.WARNING)


def _update_of(
    spec: GrantSpec, desired: DesiredGrant, observed: ObservedGrant | None, directory: Directory, rules: UpdateRules
) -> GrantUpdate | Problem | None:
    """Return the update that makes a declaration match the tenant.

    Return None if the tenant does not have the grant, so that `import` removes the declaration.

    Return a warning if `import` cannot update the declaration.
    """
    if observed is None:
        return None
    if has_expired(spec, rules.now):
        what = f"this grant expired {expiry_text(spec.expires)}, so apply deletes it"
        return _warning(spec, what, "to keep the grant, change expires, and import again")
    if desired.grant.organizations is not None and observed.grant.organizations is None:
        if may_have_organizations(observed):
            return _warning(spec, "the organizations of the grant were not read")
        observed = observed._replace(grant=observed.grant._replace(organizations=EMPTY_SET))
    updates = compare([desired], {desired.key: observed}).updates
    return GrantUpdate(dict(_fields(spec, updates[0], directory, rules)) if updates else {})


def _fields(
    spec: GrantSpec, update: Update, directory: Directory, rules: UpdateRules
) -> Iterator[tuple[str, str | bool | SetUpdate]]:
    """Yield the name and the new value of each field in which the declaration differs from the tenant.

    `update.before` contains the tenant's grant.
    """
    for name in (change.field for change in update.fields):
        wanted = getattr(update.before.grant, name)
        if BY_NAME[name].kind is not FieldKind.SET:
            yield name, wanted
            continue
        written = {text: _values_of(name, text, directory, rules.target) for text in getattr(spec, name) or ()}
        kept = {text: values for text, values in written.items() if values <= wanted}
        new = wanted.difference(*kept.values())
        add = [rules.write_item(name, item) for item in new] if BY_NAME[name].has_variables else new
        yield name, SetUpdate(frozenset(written.keys() - kept.keys()), tuple(sorted(add)))


def _values_of(name: str, text: str, directory: Directory, target: TargetTenant) -> frozenset[str]:
    """Convert a list item in a grant file, such as a scope set, to the corresponding values in the tenant.

    Replace a variable with its value, a scope set with its scopes, and an organization name with the organization id.
    """
    if name == "scope":
        expanded = expand_scopes([text], target.scope_sets)
        return frozenset(substitute(each.text, target.values) for each in expanded)
    value = substitute(text, target.values) if BY_NAME[name].has_variables else text
    identities = directory.find_organizations(value) if name == ORGANIZATIONS else ()
    return frozenset({identities[0] if len(identities) == 1 else value})
