"""Select the grants of a run with PATH arguments and the options `--client` and `--api`.

reconciler neither plans nor lists grants that the user did not select.

`--prune` never deletes a declared grant that the user did not select.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.core.characters import join_some, pluralize
from reconciler.core.directory import Directory
from reconciler.core.grant import Key, ObservedGrant
from reconciler.core.pattern import Match, Pattern, Unread, Value, match_value, value_of
from reconciler.core.problems import Problem
from reconciler.core.resolve import DesiredGrant, duplicate_problem, resolve
from reconciler.core.spec import GrantSpec
from reconciler.core.suggest import did_you_mean
from reconciler.errors import ReconcilerError


class GrantSelection(NamedTuple):
    """The command-line arguments that select grants: PATH, `--client` and `--api`.

    If the user passes no PATH, `--client` or `--api`, reconciler selects all grants.

    A selected grant matches an item of `files`, an item of `clients` and an item of `apis`. A field without items does
    not restrict the selection.
    """

    files: tuple[str, ...] = ()
    """The paths of grant files and folders, relative to `folder`."""
    clients: tuple[str, ...] = ()
    """Patterns for the name or the client id of an application."""
    apis: tuple[str, ...] = ()
    """Patterns for the name or the identifier of an API."""
    folder: str = ""
    """The path of the grant folder, or an empty string if `files` is empty.

    In saved plans of early versions of reconciler, `folder` is empty, and `files` contains paths relative to the
    working directory.
    """

    def __bool__(self) -> bool:
        """Return whether the user passed a PATH, `--client` or `--api`."""
        return bool(self.files or self.clients or self.apis)

    def __str__(self) -> str:
        """Return a description of the selection, such as `client "Billing*", file "grants/billing.yaml"`."""
        named = (("client", self.clients), ("api", self.apis), ("file", self.paths))
        return ", ".join(f'{name} "{value}"' for name, values in named for value in values)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths in `files`, each prefixed with the path of the grant folder."""
        start = "" if self.folder in {"", posixpath.curdir} else f"{self.folder.rstrip('/')}/"
        return tuple(f"{start}{each}" for each in self.files)

    @property
    def is_inside(self) -> bool:
        """True if all paths in `files` are normalized and inside the grant folder."""
        return all(
            each == posixpath.normpath(each) and each.split("/")[0] not in {"", posixpath.curdir, posixpath.pardir}
            for each in self.files
        )

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The patterns that select applications and APIs.

        The patterns decide which names reconciler reads from the tenant.
        """
        return (
            *(Pattern(client=each) for each in self.clients),
            *(Pattern(api=each) for each in self.apis),
        )

    def matches_spec(self, spec: GrantSpec, directory: Directory) -> Match:
        """Return whether the options select a declared grant."""
        if not self._has_file(spec.file):
            return Match.NO
        return _both(_any(self.clients, _client_values(spec, directory)), _any(self.apis, _api_values(spec, directory)))

    def matches_grant(self, key: Key, file: str | None, directory: Directory) -> Match:
        """Return whether the options select a grant in the tenant.

        `file` is the grant file that formerly declared the grant, or None.
        """
        if self.files and (file is None or not self._has_file(file)):
            return Match.NO
        clients = (value_of("client", key, directory), value_of("client_id", key, directory))
        apis = (value_of("api", key, directory), value_of("audience", key, directory))
        return _both(_any(self.clients, clients), _any(self.apis, apis))

    def _has_file(self, file: str) -> bool:
        return not self.files or any(file == each or file.startswith(f"{each}/") for each in self.paths)


EVERYTHING = GrantSelection()
SELECTION_FIELDS = ("files", "clients", "apis")
KNOWN_ADVICE: Mapping[str, str] = {
    "client": "the tenant has a matching application, so the name is correct",
    "api": "the tenant has a matching API, so the name is correct",
    "file": "an earlier version of the files declared grants there",
}
"""For each option, the explanation of a value that is known, but selects no grant."""
SELECTS_NOTHING = "selects no grant"
COMPARE_SPELLING = "compare with the names in the files and in the tenant"


class SelectionResult(NamedTuple):
    """The number of grants that a selection includes, and the number of grants that the selection excludes."""

    selection: GrantSelection
    """The command-line arguments that select grants."""
    selected: int
    """The number of selected grants, including undeclared grants in the tenant."""
    others: int
    """The number of declared grants that the user did not select."""
    reasons: tuple[str, ...] = ()
    """The reasons why the options select no grant, for the error message."""
    is_mistake: bool = False
    """True if the options select no grant, and if they are probably misspelled.

    The value is also true if the options may select a grant whose name was not read.
    """

    @property
    def is_empty(self) -> bool:
        """True if the options select no grant of the tenant."""
        return self.selected == 0


def refuse_empty_selection(results: Iterable[SelectionResult | None]) -> None:
    """Raise ReconcilerError if the options are a mistake in all tenants.

    An empty selection is probably the result of a misspelled option value. An empty selection is not a mistake if the
    tenant has the named application or API. For example, the application has no grant after `apply --prune`.
    """
    found = [each for each in results if each]
    if found and all(each.is_mistake for each in found):
        messages = dict.fromkeys(message for each in found for message in each.reasons)
        raise ReconcilerError("; ".join(messages))


class SplitSpecs(NamedTuple):
    """The selected and the unselected declarations of a tenant.

    If reconciler does not know whether a declaration is selected, `problems` contains the reason.

    `of_all_tenants` contains the declarations for all tenants. Variables in these declarations are not replaced.
    """

    selection: GrantSelection
    selected: tuple[GrantSpec, ...]
    others: tuple[GrantSpec, ...] = ()
    problems: tuple[Problem, ...] = ()
    of_all_tenants: tuple[GrantSpec, ...] = ()


def split_specs(
    specs: Iterable[GrantSpec],
    selection: GrantSelection,
    directory: Directory,
    of_all_tenants: tuple[GrantSpec, ...] = (),
) -> SplitSpecs:
    """Split the declarations of a tenant into selected and unselected declarations.

    If the selection depends on a name that reconciler could not read, report a problem at the line of the declaration.

    `of_all_tenants` contains the declarations for all tenants. If the options select nothing, the error message
    mentions declarations in `of_all_tenants` that match the options.
    """
    if not selection:
        return SplitSpecs(selection, tuple(specs))
    by_match: dict[Match, list[GrantSpec]] = {each: [] for each in Match}
    for spec in specs:
        by_match[selection.matches_spec(spec, directory)].append(spec)
    problems = tuple(
        Problem(
            spec.source,
            f"reconciler does not know whether {selection} selects this grant, because a name was not read",
            "select the grant by client_id and audience, or allow the credentials to read applications and APIs",
        )
        for spec in by_match[Match.UNKNOWN]
    )
    # Omit the organizations, because reconciler checks only the organizations of selected declarations.
    others = tuple(spec._replace(organizations=None) for spec in by_match[Match.NO])
    return SplitSpecs(selection, tuple(by_match[Match.YES]), others, problems, of_all_tenants)


class ChosenGrants(NamedTuple):
    """The selected grants in a tenant."""

    grants: tuple[ObservedGrant, ...]
    """The selected grants."""
    others: int = 0
    """The number of declared grants that exist in the tenant and that the user did not select."""
    result: SelectionResult | None = None
    """The number of selected grants and the number of unselected grants, or None if the user selects all grants."""
    notes: tuple[str, ...] = ()
    """Notes about option values that select no grant, and about grants whose names reconciler could not read."""


def check_others(
    split: SplitSpecs, selected: Iterable[DesiredGrant], directory: Directory, *, deletes: bool
) -> tuple[Problem, ...]:
    """Return problems in unselected declarations if the problems may affect selected grants.

    It is a problem if a selected grant also has an unselected declaration.

    If `deletes` is true, a wrong application name in an unselected declaration is also a problem, because the plan
    could delete the declared grant as an undeclared grant.
    """
    if not split.selection:
        return ()
    others, problems = resolve(split.others, directory)
    by_key = {each.key: each.spec for each in others}
    twice = (duplicate_problem(each.spec, by_key[each.key]) for each in selected if each.key in by_key)
    return (*twice, *(problems if deletes else ()))


def select_grants(
    grants: tuple[ObservedGrant, ...],
    desired: Iterable[DesiredGrant],
    split: SplitSpecs,
    files: Mapping[Key, str],
    directory: Directory,
) -> ChosenGrants:
    """Select the grants in a tenant: the selected declared grants, and the undeclared grants that match the options.

    `grants` contains all grants in the tenant, and `desired` contains the selected declared grants. `files` contains
    the former grant file of each grant that the files no longer declare.
    """
    selection = split.selection
    if not selection:
        return ChosenGrants(grants)
    keys = {each.key for each in desired}
    other_keys = {each.key for each in resolve(split.others, directory)[0]}
    declared = [each for each in grants if each.key in keys]
    undeclared = [each for each in grants if each.key not in keys and each.key not in other_keys]
    by_match: dict[Match, list[ObservedGrant]] = {each: [] for each in Match}
    for each in undeclared:
        by_match[selection.matches_grant(each.key, files.get(each.key), directory)].append(each)
    selected, uncertain = by_match[Match.YES], by_match[Match.UNKNOWN]
    unmatched = tuple(_unmatched_values(split, grants, files, directory))
    messages = tuple(each.message for each in unmatched)
    count = len(split.selected) + len(selected)
    is_mistake = not count and (bool(uncertain) or _is_mistake(selection, unmatched, files, directory))
    nothing, notes = f"{selection} {SELECTS_NOTHING}", []
    if uncertain:
        notes.append(
            f"left out {pluralize(len(uncertain), 'undeclared grant')}, because a name was not read: "
            f"reconciler does not know whether {selection} selects these grants"
        )
    return ChosenGrants(
        (*declared, *selected),
        len(grants) - len(declared) - len(undeclared),
        SelectionResult(selection, count, len(split.others), (*(messages or [nothing]), *notes), is_mistake),
        (*messages, *notes),
    )


def _is_mistake(
    selection: GrantSelection, unmatched: Iterable["UnmatchedValue"], files: Mapping[Key, str], directory: Directory
) -> bool:
    """Return whether a selection that selects no grant is a mistake of the user.

    The selection is a mistake if all values of one option are unknown to the files and to the tenant. With PATHs, the
    selection is also a mistake if the selected files never declared a grant that the other options select.
    """
    unknown = {(each.option, each.value) for each in unmatched if not each.is_known}
    options = (("client", selection.clients), ("api", selection.apis), ("file", selection.paths))
    if any(values and all((option, value) in unknown for value in values) for option, values in options):
        return True
    former = (selection.matches_grant(key, file, directory) for key, file in files.items())
    return bool(selection.files) and all(match is Match.NO for match in former)


class UnmatchedValue(NamedTuple):
    """An option value that matches no grant.

    `is_known` is true if the tenant has the named application or API, or if the named file formerly declared a grant.
    """

    option: str
    value: str
    message: str
    is_known: bool


def _unmatched_values(
    split: SplitSpecs, grants: Iterable[ObservedGrant], files: Mapping[Key, str], directory: Directory
) -> Iterator[UnmatchedValue]:
    """Yield each option value that matches no declared grant and no grant of the tenant."""
    selection, specs, keys = split.selection, (*split.selected, *split.others), [each.key for each in grants]
    names: dict[str, set[str]] = {
        "client": {each.client for each in specs if each.client} | set(directory.client_ids_by_name),
        "api": {each.api for each in specs if each.api} | set(directory.identifiers_by_name),
        "file": {each.file for each in specs},
    }
    for name, values in (("client", selection.clients), ("api", selection.apis), ("file", selection.paths)):
        for value in values:
            only: dict[str, Any] = {f"{name}s": (value,)}
            alone = GrantSelection(**only)
            if any(alone.matches_spec(each, directory) is not Match.NO for each in specs):
                continue
            if name != "file" and any(alone.matches_grant(key, None, directory) is not Match.NO for key in keys):
                continue
            elsewhere = [each for each in split.of_all_tenants if alone.matches_spec(each, directory) is Match.YES]
            is_known = _is_known(name, value, files, directory)
            advice = _where_declared(elsewhere) or (KNOWN_ADVICE[name] if is_known else "")
            advice = advice or did_you_mean(value, names[name]) or COMPARE_SPELLING
            yield UnmatchedValue(name, value, f'{name} "{value}" {SELECTS_NOTHING}; {advice}', is_known)


def _is_known(option: str, value: str, files: Mapping[Key, str], directory: Directory) -> bool:
    """Return whether the tenant has the named application or API, or whether the named file formerly declared a grant.

    `files` contains the former grant file of each grant that the files no longer declare.
    """
    if option == "file":
        return any(file == value or file.startswith(f"{value}/") for file in files.values())
    by_name, by_id = (
        (directory.client_ids_by_name, directory.applications_by_id)
        if option == "client"
        else (directory.identifiers_by_name, directory.apis_by_identifier)
    )
    return _any((value,), (*by_name, *by_id)) is Match.YES


def _where_declared(specs: Iterable[GrantSpec]) -> str:
    """Describe the position and the tenants of the first declaration that is limited to certain tenants.

    Return an empty string if no declaration is limited to certain tenants.
    """
    limited = [each for each in specs if each.tenants]
    if not limited:
        return ""
    spec = limited[0]
    tenants = " and ".join(join_some([pattern.text for pattern in patterns]) for patterns in spec.tenants)
    more = f", and in {pluralize(len(limited) - 1, 'more place')}" if limited[1:] else ""
    where = f"{spec.source.file}:{spec.source.line}{more}"
    return f"matching grants are declared for other tenants only: for {tenants} at {where}"


def _client_values(spec: GrantSpec, directory: Directory) -> tuple[Value, ...]:
    """Return the name and the ids of a declaration's application."""
    is_known = directory.applications is not None
    if spec.client is not None:
        return (spec.client, *(directory.client_ids_by_name.get(spec.client, ()) if is_known else (Unread.VALUE,)))
    if spec.client_id is not None:
        application = directory.applications_by_id.get(spec.client_id)
        return (spec.client_id, application.name if application else None if is_known else Unread.VALUE)
    return (None,)


def _api_values(spec: GrantSpec, directory: Directory) -> tuple[Value, ...]:
    """Return the name and the identifiers of the API that a declaration names."""
    is_known = directory.apis is not None
    if spec.api is not None:
        return (spec.api, *(directory.identifiers_by_name.get(spec.api, ()) if is_known else (Unread.VALUE,)))
    api = directory.apis_by_identifier.get(spec.audience or "")
    return (spec.audience, api.name if api else None if is_known else Unread.VALUE)


def _any(patterns: tuple[str, ...], values: Iterable[Value]) -> Match:
    if not patterns:
        return Match.YES
    values = tuple(values)
    answers = {match_value(pattern, value) for pattern in patterns for value in values}
    return next((each for each in (Match.YES, Match.UNKNOWN) if each in answers), Match.NO)


def _both(one: Match, other: Match) -> Match:
    return next((each for each in (Match.NO, Match.UNKNOWN) if each in (one, other)), Match.YES)
