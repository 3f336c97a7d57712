"""Removed grants, found in histories of declarations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.builders import a_directory, a_spec, an_api

from reconciler.core.declared_history import (
    Commit,
    DeclaredHistory,
    DeclaredKey,
    FileVersion,
    HistoryStep,
    TenantStatus,
)
from reconciler.core.grant import Key
from reconciler.core.pattern import matches
from reconciler.core.removals import Removal, find_removals, resolve_removals
from reconciler.core.spec import PatternTexts
from reconciler.core.tenant_filter import TargetTenant, substitute

TEST = TargetTenant("test", {"app": "Portal"})
APPLICATIONS = "abc"
PATHS = ("x.yaml", "y.yaml")


def commit(number: int) -> Commit:
    return Commit(f"{number:010x}{0:030x}", "2026-03-01", "Somebody", f"commit {number}")


def declared(client: str, *tenants: str) -> DeclaredKey:
    return DeclaredKey(client, None, None, "Invoices API", None, "client", (PatternTexts(tenants),) if tenants else ())


def history(*versions: Sequence[FileVersion]) -> list[HistoryStep]:
    return [HistoryStep(commit(number), tuple(step)) for number, step in enumerate(versions, start=1)]


def file(path: str, *clients: str | DeclaredKey) -> FileVersion:
    keys = [each if isinstance(each, DeclaredKey) else declared(each) for each in clients]
    return FileVersion(path, {key: line for line, key in enumerate(keys, start=2)})


def removals(steps: Sequence[HistoryStep], now: Sequence[str] = ()) -> dict[str | None, Removal]:
    """Return the removals by client. `now` are the clients of the grants that the files declare."""
    past = DeclaredHistory(steps).of([TEST])
    specs = [removal.spec._replace(client=client) for client in now for removal in find_removals(past, ())[:1]]
    return {removal.spec.client: removal for removal in find_removals(past, specs)}


def test_a_removal_names_both_commits_and_the_last_source() -> None:
    found = removals(history([file("x.yaml", "a", "b")], [file("x.yaml", "b", "a")], [file("x.yaml", "b")]), ["b"])

    assert list(found) == ["a"]
    assert found["a"].declared_by == commit(1)
    assert found["a"].removed_by == commit(3)
    assert (found["a"].spec.source.file, found["a"].spec.source.line) == (f"x.yaml in {commit(2).short_hash}", 3)


def test_a_grant_that_moves_to_another_file_is_not_removed_then() -> None:
    moved = history([file("x.yaml", "a")], [file("x.yaml"), file("y.yaml", "a")], [file("y.yaml")])

    assert removals(moved)["a"].removed_by == commit(3)
    assert removals(moved)["a"].declared_by == commit(1)


def test_a_grant_in_two_files_is_removed_with_the_last_one() -> None:
    steps = history([file("x.yaml", "a"), file("y.yaml", "a")], [file("x.yaml")], [file("y.yaml")])

    assert removals(steps)["a"].removed_by == commit(3)


def test_an_unreadable_version_counts_as_unchanged() -> None:
    steps = history([file("x.yaml", "a")], [FileVersion("x.yaml", None)], [file("x.yaml")])

    assert removals(steps)["a"].removed_by == commit(3)


def with_configs(steps: Sequence[HistoryStep], *configs: int) -> list[HistoryStep]:
    return [step._replace(config=config) for step, config in zip(steps, configs, strict=True)]


def test_variables_have_the_values_of_the_same_commit() -> None:
    steps = with_configs(history([file("x.yaml", "${app}")], [file("x.yaml")]), 0, 1)
    past = DeclaredHistory(steps).of([TargetTenant("test", {"app": "Billing"}), TEST])

    (found,) = find_removals(past, ())

    assert (found.spec.client, found.removed_by, found.declared_by) == ("Billing", commit(2), commit(1))


def test_a_changed_variable_removes_the_grant_of_the_old_value() -> None:
    steps = with_configs(history([file("x.yaml", "${app}")], []), 0, 1)
    past = DeclaredHistory(steps).of([TargetTenant("test", {"app": "Billing"}), TEST])

    found = {each.spec.client: each for each in find_removals(past, ())}

    assert {name: each.removed_by for name, each in found.items()} == {"Billing": commit(2), "Portal": None}
    assert found["Portal"].declared_by == commit(2)


def test_a_removal_during_unknown_settings_belongs_to_the_next_known_commit() -> None:
    steps = with_configs(
        history([file("x.yaml", "a", "b")], [file("x.yaml", "b", "c")], [file("x.yaml", "b")]), 0, 1, 0
    )
    past = DeclaredHistory(steps).of([TEST, TenantStatus.UNKNOWN])

    found = {each.spec.client: each for each in find_removals(past, [a_spec(client="b", api="Invoices API")])}

    assert (found["a"].removed_by, found["a"].is_unknown) == (commit(3), False)
    assert (found["c"].removed_by, found["c"].is_unknown) == (None, True)
    assert found["c"].spec.source.file == f"x.yaml in {commit(2).short_hash}"
    assert resolve_removals(found.values(), a_directory({"id-c": "c"}, [an_api()])).by_key == {}


def test_a_change_during_unknown_settings_counts_from_the_next_known_commit() -> None:
    steps = with_configs(history([file("x.yaml", "a")], [file("x.yaml", "b")], [], [file("x.yaml")]), 0, 1, 0, 0)
    past = DeclaredHistory(steps).of([TEST, TenantStatus.UNKNOWN])

    found = {each.spec.client: each for each in find_removals(past, ())}

    assert (found["a"].removed_by, found["b"].declared_by) == (commit(3), commit(3))
    assert (found["b"].removed_by, found["b"].is_unknown) == (commit(4), False)


def test_a_commit_with_unknown_settings_is_not_the_source_of_an_unchanged_file() -> None:
    steps = with_configs(history([file("x.yaml", "a")], [], [], [file("x.yaml")]), 0, 1, 0, 0)

    (found,) = find_removals(DeclaredHistory(steps).of([TEST, TenantStatus.UNKNOWN]), ())

    assert found.spec.source.file == f"x.yaml in {commit(1).short_hash}"


def test_an_unknown_declaration_that_the_files_still_contain_is_not_removed() -> None:
    past = DeclaredHistory(history([file("x.yaml", declared("a", "te*"), "b")])).of([TenantStatus.UNKNOWN])

    found = find_removals(past, [a_spec(client="a", api="Invoices API")])

    assert [each.spec.client for each in found] == ["b"]


def test_a_declaration_of_a_merged_branch_counts_only_if_no_other_commit_or_file_contains_it() -> None:
    side = {declared(client): ("x.yaml", 2, commit(1)) for client in "abc"}
    past = DeclaredHistory(history([file("x.yaml", declared("a", "te*"))], [file("x.yaml")]), side).of([TEST])

    found = find_removals(past, [a_spec(client="b", api="Invoices API")])

    assert [(each.spec.client, each.is_side) for each in found] == [("a", False), ("c", True)]


def test_a_declaration_with_an_undefined_variable_is_unknown() -> None:
    (found,) = removals(history([file("x.yaml", "${other}")], [file("x.yaml")])).values()

    assert found.is_unknown


def test_only_the_declarations_for_the_tenant_count() -> None:
    steps = history([file("x.yaml", declared("a", "other"), declared("b", "te*"))], [file("x.yaml")])

    assert list(removals(steps)) == ["b"]


def test_a_grant_that_no_longer_names_the_tenant_is_removed() -> None:
    steps = history([file("x.yaml", declared("a", "test", "other"))], [file("x.yaml", declared("a", "other"))])

    assert removals(steps)["a"].removed_by == commit(2)


contents = st.lists(st.sampled_from(APPLICATIONS), max_size=3, unique=True)
step = st.fixed_dictionaries({}, optional=dict.fromkeys(PATHS, contents))


@given(st.lists(step, min_size=1, max_size=8))
def test_removals_are_exactly_the_declared_and_no_longer_declared_grants(steps: list[dict[str, list[str]]]) -> None:
    """A second implementation: look at all files after each commit."""
    state: dict[str, list[str]] = {}
    present: list[set[str]] = []
    for changed in steps:
        state.update(changed)
        present.append({client for clients in state.values() for client in clients})
    versions = [[file(path, *clients) for path, clients in changed.items()] for changed in steps]

    found = removals(history(*versions))

    assert set(found) == set().union(*present)
    for client, removal in found.items():
        if client in present[-1]:
            assert removal.removed_by is None
        else:
            last = max(number for number, clients in enumerate(present) if client in clients)
            assert removal.removed_by == commit(last + 2)
            while last and client in present[last - 1]:
                last -= 1
            assert removal.declared_by == commit(last + 1)


by_name = declared("a")
by_id = by_name._replace(client=None, client_id="id-a")
names_and_ids = st.lists(st.sampled_from([by_name, by_id, declared("b")]), max_size=3, unique=True)


@given(
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(PATHS, names_and_ids)), min_size=1, max_size=8),
    st.sets(st.sampled_from(["a", "b"])),
)
@example([{"x.yaml": [by_name]}, {"y.yaml": [by_id]}, {"y.yaml": []}, {"x.yaml": []}], set())
@example([{"x.yaml": [by_name]}, {"y.yaml": [by_id]}, {"x.yaml": []}, {"y.yaml": []}], set())
@example([{"x.yaml": [by_id]}, {"x.yaml": [by_name]}, {"x.yaml": []}], set())
def test_a_grant_that_is_declared_by_name_and_by_id_is_one_grant(
    steps: list[dict[str, list[DeclaredKey]]], now: set[str]
) -> None:
    """The removals equal those of the history in which every declaration has the name."""
    directory = a_directory({"id-a": "a", "id-b": "b"}, [an_api()])

    def with_names(version: FileVersion) -> FileVersion:
        declares: dict[DeclaredKey, int] = {}
        for key, line in (version.declares or {}).items():
            declares.setdefault(by_name if key == by_id else key, line)
        return FileVersion(version.path, declares)

    def resolved(versions: list[list[FileVersion]]) -> dict[Key, tuple[object, ...]]:
        declared_now = [a_spec(client=client, api="Invoices API") for client in now]
        found = find_removals(DeclaredHistory(history(*versions)).of([TEST]), declared_now)
        by_key = resolve_removals(found, directory).by_key
        return {
            key: (each.spec.source, each.removed_by, each.declared_by, each.commit)
            for key, each in by_key.items()
            if directory.client_label(key) not in now
        }

    given_versions = [[file(path, *keys) for path, keys in each.items()] for each in steps]
    assert resolved(given_versions) == resolved([list(map(with_names, each)) for each in given_versions])


@pytest.mark.parametrize("branch", [{1, 2, 3}, {3}, {1, 2}, set()])
def test_a_combined_removal_is_from_the_branch_that_removed_the_last_declaration(branch: set[int]) -> None:
    directory = a_directory({"id-a": "a"}, [an_api()])
    past = DeclaredHistory(history([file("x.yaml", by_name)], [file("x.yaml", by_id)], [file("x.yaml")])).of([TEST])
    found = [
        replace(each, is_from_branch=each.removed_by in {commit(number) for number in branch})
        for each in find_removals(past, ())
    ]

    (combined,) = resolve_removals(found, directory).by_key.values()
    assert len(found) == 2
    assert combined.removed_by == commit(3)
    assert combined.is_from_branch is (3 in branch)


def test_a_resolved_removal_does_not_contain_the_git_history() -> None:
    past = DeclaredHistory(history([file("x.yaml", by_name, declared("b"))], [file("x.yaml", by_id)], [])).of([TEST])
    found = find_removals(past, [a_spec(client="x")])
    resolved = resolve_removals(found, a_directory({"id-a": "a", "id-b": "b"}, [an_api()])).by_key.values()

    assert len(resolved) == 2
    assert {each.history for each in resolved} == {None}


def test_the_path_of_a_file_whose_name_looks_like_a_revision() -> None:
    before = HistoryStep(None, (file("a in b.yaml", "a"),))

    (unchanged,) = find_removals(DeclaredHistory([before]).of([TEST]), ())
    (changed,) = removals(history([file("a in b.yaml", "a")])).values()

    assert (unchanged.path, changed.path) == ("a in b.yaml", "a in b.yaml")


def test_the_source_is_the_file_that_the_last_commit_removed_the_grant_from() -> None:
    steps = history([file("x.yaml", "a")], [file("y.yaml", "b", "a")], [file("y.yaml", "b")], [file("x.yaml")])

    source = removals(steps, ["b"])["a"].spec.source

    assert (source.file, source.line) == (f"x.yaml in {commit(1).short_hash}", 2)


settings = st.sampled_from(
    [
        TargetTenant("test", {"app": "a"}),
        TargetTenant("test", {"app": "b"}),
        TargetTenant("old", {"app": "c"}),
        *TenantStatus,
    ]
)
some_keys = st.builds(
    lambda client, tenants: declared(client, *tenants),
    st.sampled_from(["a", "${app}"]),
    st.sampled_from([(), ("old",)]),
)
some_versions = st.none() | st.lists(some_keys, max_size=2, unique=True)
step_with_settings = st.tuples(st.fixed_dictionaries({}, optional=dict.fromkeys(PATHS, some_versions)), settings)


@given(st.lists(step_with_settings, min_size=1, max_size=6))
def test_each_commit_declares_with_its_own_settings(
    steps: list[tuple[dict[str, list[DeclaredKey] | None], TargetTenant | TenantStatus]],
) -> None:
    """A second implementation: look at all readable files after each commit."""
    state: dict[str, list[DeclaredKey] | None] = {}
    expected: set[str] = set()
    seen: dict[bool, set[DeclaredKey]] = {True: set(), False: set()}
    for changed, own in steps:
        state.update(changed)
        keys = {key for keys in state.values() for key in keys or ()}
        seen[own is TenantStatus.UNKNOWN] |= keys
        if isinstance(own, TargetTenant):
            expected |= {
                substitute(key.client or "", own.values) for key in keys if not key.tenants or own.name == "old"
            }
    versions = [
        [FileVersion(path, None) if keys is None else file(path, *keys) for path, keys in changed.items()]
        for changed, _ in steps
    ]
    past = DeclaredHistory(with_configs(history(*versions), *range(len(steps))))

    found = find_removals(past.of([own for _, own in steps]), ())

    assert {each.spec.client for each in found if not each.is_unknown} == expected
    unknown = {key for key in seen[True] - seen[False] if key.client not in expected}
    assert {DeclaredKey.of(each.spec) for each in found if each.is_unknown} <= seen[True] - seen[False]
    assert {DeclaredKey.of(each.spec) for each in found if each.is_unknown} >= unknown


TENANTS = [TargetTenant("test", {"app": "a"}), TargetTenant("prod", {"app": "b"}), TargetTenant("none", {})]
keys = st.builds(
    lambda client, tenants: declared(client, *tenants),
    st.sampled_from(["a", "b", "${app}"]),
    st.sampled_from([(), ("test",), ("test", "prod"), ("p*",)]),
)
versions = st.builds(
    lambda path, some: FileVersion(path, some if some is None else {key: line for line, key in enumerate(some, 2)}),
    st.sampled_from(PATHS),
    st.none() | st.lists(keys, unique=True, max_size=3),
)
histories = st.lists(st.lists(versions, max_size=2, unique_by=lambda version: version.path), max_size=6)


@given(steps=histories)
def test_tenants_with_a_shared_history_get_the_same_removals_as_alone(
    steps: list[list[FileVersion]],
) -> None:
    past = history(*steps)
    shared = DeclaredHistory(past)

    found = [find_removals(shared.of([tenant]), ()) for tenant in TENANTS]

    assert found == [find_removals(DeclaredHistory(as_seen_by(past, tenant)).of([tenant]), ()) for tenant in TENANTS]


def as_seen_by(steps: Sequence[HistoryStep], tenant: TargetTenant) -> list[HistoryStep]:
    """Return the history as if it had only the declarations for one tenant, with its values and without lists."""

    def seen(declares: Mapping[DeclaredKey, int] | None) -> Mapping[DeclaredKey, int] | None:
        if declares is None:
            return None
        found: dict[DeclaredKey, int] = {}
        for key, line in declares.items():
            if all(any(matches(tenant.name, pattern) for pattern in patterns) for patterns in key.tenants):
                client = substitute(key.client or "", tenant.values)
                found.setdefault(key._replace(client=client, tenants=()), line)
        return found

    return [
        step._replace(versions=tuple(version._replace(declares=seen(version.declares)) for version in step.versions))
        for step in steps
    ]
