import shutil
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.builders import a_directory, a_grant, a_key, a_plan, a_spec, an_observed
from support.strategies import grants, keys

from reconciler.artifacts.snapshot import rollback_of, write_snapshot
from reconciler.contract import stored
from reconciler.core.directory import Directory
from reconciler.core.expressible import keep_inexpressible_values
from reconciler.core.grant import ClientGrant, ObservedGrant
from reconciler.core.outcome import Rollback
from reconciler.core.plan import Delete, Plan
from reconciler.core.resolve import resolve
from reconciler.core.tenant_filter import ANY_TENANT
from reconciler.errors import ReconcilerError
from reconciler.files.loader import parse
from reconciler.files.read import read_grants
from reconciler.files.schema import violations
from reconciler.files.write import snapshot_file

CREATE_PLAN = a_plan([a_spec()])


def plan_with_deletes(*observed: ObservedGrant) -> Plan:
    return replace(CREATE_PLAN, changes=tuple(map(Delete, observed)))


def write_and_read(folder: Path, *observed: ObservedGrant) -> tuple[Path, list[ClientGrant]]:
    path = write_snapshot(folder, "run", plan_with_deletes(*observed), Directory())
    declared = read_grants([path], is_snapshot=True).at(ANY_TENANT)
    assert declared.problems == ()
    return path, [each.grant for each in resolve(declared.specs, Directory())[0]]


def test_a_snapshot_declares_the_grants_of_the_tenant(tmp_path: Path) -> None:
    before = [a_grant(a_key("a"), scope=("x", "y"), organization_usage="require"), a_grant(a_key("b"), scope=())]

    _, declared = write_and_read(tmp_path, *map(an_observed, before))

    assert declared == before


def test_the_manifest_of_a_snapshot_lists_the_created_grants(tmp_path: Path) -> None:
    path = write_snapshot(tmp_path, "run", CREATE_PLAN, Directory())

    assert [each.name for each in path.iterdir()] == ["MANIFEST"]
    assert rollback_of(path, tmp_path) == Rollback("run", "test", "test.example", (a_grant(),))


@pytest.mark.parametrize(
    "alter",
    [
        lambda path: (path / "001.yaml").write_text("snapshot: run\ngrants: []\n"),
        lambda path: (path / "002.yaml").write_text("snapshot: run\ngrants: []\n"),
        lambda path: (path / "001.yaml").unlink(),
        lambda path: (path / "MANIFEST").write_text("{}"),
        lambda path: (path / "MANIFEST").write_text("[" * 100_000),
    ],
    ids=["altered", "added", "removed", "empty manifest", "deep manifest"],
)
def test_an_altered_snapshot_is_refused(tmp_path: Path, alter: Callable[[Path], object]) -> None:
    path, _ = write_and_read(tmp_path, an_observed())
    alter(path)

    with pytest.raises(ReconcilerError, match=r"changed since the run"):
        rollback_of(path, tmp_path)


def test_a_copy_or_a_link_outside_the_snapshot_folder_is_not_a_snapshot(tmp_path: Path) -> None:
    path, _ = write_and_read(tmp_path / "own", an_observed())
    shutil.copytree(path, tmp_path / "grants")
    (tmp_path / "own" / "snapshots" / "link").symlink_to(tmp_path / "grants")

    assert rollback_of(path, tmp_path / "own")
    assert rollback_of(tmp_path / "grants", tmp_path / "own") is None
    assert rollback_of(tmp_path / "own" / "snapshots" / "link", tmp_path / "own") is None


def test_the_key_snapshot_is_a_problem_in_other_files(tmp_path: Path) -> None:
    path, _ = write_and_read(tmp_path, an_observed())

    (problem,) = read_grants([path]).problems

    assert problem.what.startswith('the key "snapshot" is only valid in files that `reconciler apply` wrote')
    assert problem.source.line == 2


def test_text_that_looks_like_a_variable_is_escaped(tmp_path: Path) -> None:
    before = a_grant(a_key("${domain}", "$${x"), scope=("${stage}:invoices",))

    assert write_and_read(tmp_path, an_observed(before))[1] == [before]


def test_names_are_comments_after_the_ids() -> None:
    text = snapshot_file([a_grant()], a_directory({"billing": "Billing\x1b[31m Worker"}), "title", "run")

    assert r"- client_id: billing  # Billing\x1b[31m Worker" in text


ACME, GLOBEX = "org_acmeacmeacmeacme", "org_globexglobexglob"


@pytest.mark.parametrize("usage", ["allow", "deny"])
def test_a_snapshot_contains_the_organizations_that_were_read(tmp_path: Path, usage: str) -> None:
    before = [
        a_grant(a_key("a"), organization_usage=usage, organizations=frozenset({ACME, GLOBEX})),
        a_grant(a_key("b"), organization_usage=usage, organizations=frozenset()),
        a_grant(a_key("c"), organization_usage=usage),
    ]
    path = tmp_path / "snapshot.yaml"
    path.write_text(snapshot_file(before, a_directory(organizations={ACME: "acme"}), "title", "run"))

    assert f"    organizations:  # acme, {GLOBEX}\n      - {ACME}\n      - {GLOBEX}\n" in path.read_text()
    assert [each.grant for each in resolve(read_grants([path], is_snapshot=True).specs, Directory())[0]] == before


def test_only_the_owner_may_read_a_snapshot(tmp_path: Path) -> None:
    path, _ = write_and_read(tmp_path, an_observed())

    assert [stat.S_IMODE(each.stat().st_mode) for each in path.iterdir()] == [0o600] * 2


def test_a_snapshot_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("in the way")

    with pytest.raises(ReconcilerError, match="cannot be written, so nothing was sent"):
        write_snapshot(tmp_path, "run", CREATE_PLAN, Directory())


def possible_grant(grant: ClientGrant) -> ClientGrant:
    """Return a similar grant that Auth0 would accept, for example without organization settings for a user."""
    user = grant.key.subject_type == "user"
    usage = "deny" if user else grant.organization_usage
    return grant._replace(
        key=grant.key._replace(subject_type="user" if user else "client"),
        organization_usage=usage,
        allow_any_organization=usage != "deny" and grant.allow_any_organization,
        authorization_details_types=grant.authorization_details_types if user else frozenset(),
    )


printable_texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


def test_a_grant_that_no_file_can_express_is_a_comment(tmp_path: Path) -> None:
    inexpressible = an_observed(a_grant(a_key(subject_type="robot")))

    path, declared = write_and_read(tmp_path, inexpressible, an_observed(a_grant(a_key("fine"))))

    assert declared == [a_grant(a_key("fine"))]
    assert "#   - client_id: billing\n" in (path / "001.yaml").read_text()


@pytest.mark.parametrize(
    "grant",
    [
        a_grant(organization_usage="sometimes"),
        a_grant(a_key(subject_type="user"), organization_usage="allow"),
        a_grant(scope=("",)),
        a_grant(scope=("a\x07",)),
        a_grant(scope=("${" * 100,)),
    ],
    ids=["usage", "organizations for users", "empty scope", "control character", "longer when escaped"],
)
def test_inexpressible_values_are_omitted_from_a_snapshot_and_kept_by_its_apply(
    tmp_path: Path, grant: ClientGrant
) -> None:
    path, declared = write_and_read(tmp_path, an_observed(grant))

    assert [keep_inexpressible_values(each, grant) for each in declared] == [grant]
    assert "# a grant file cannot fully express the next grant: " in (path / "001.yaml").read_text()


@pytest.mark.slow
def test_a_large_tenant_is_split_into_several_files(tmp_path: Path) -> None:
    scopes = [f"scope-of-a-usual-length:{number}" for number in range(257)]
    grants_before = [a_grant(a_key(f"app{number:03}"), scope=scopes) for number in range(700)]

    path, declared = write_and_read(tmp_path, *map(an_observed, grants_before))

    assert len(list(path.iterdir())) > 1
    assert declared == grants_before


@given(st.lists(grants(), max_size=6))
def test_any_snapshot_matches_the_schema(some_grants: list[ClientGrant]) -> None:
    text = snapshot_file({each.key: each for each in some_grants}.values(), Directory(), "title", "run")
    document = parse(text.encode(), "snapshot.yaml")

    assert document.problems == ()
    assert violations(document.data, stored.load(stored.GRANTS), file="snapshot.yaml") == ()
    assert text.count("- client_id") == len({each.key for each in some_grants})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(grants(), max_size=5), keys(), st.frozensets(printable_texts, max_size=3))
def test_any_snapshot_is_read_back_unchanged(
    tmp_path: Path,
    some_grants: list[ClientGrant],
    key: object,
    scopes: frozenset[str],
) -> None:
    tenant = {each.key: each for each in map(possible_grant, some_grants)}
    if tenant:
        last = next(reversed(tenant))
        tenant[last] = tenant[last]._replace(scope=frozenset() if tenant[last].allow_all_scopes else scopes)
    path = tmp_path / "snapshot.yaml"
    path.write_text(snapshot_file(tenant.values(), Directory(), f"title {key}", "run"), encoding="utf-8")

    declared = read_grants([path], is_snapshot=True).at(ANY_TENANT)

    assert [problem for problem in declared.problems if problem.severity == "error"] == []
    assert {each.key: each.grant for each in resolve(declared.specs, Directory())[0]} == tenant
