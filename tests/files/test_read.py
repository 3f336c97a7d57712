import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.problems import Problem, Severity, Source, errors
from reconciler.core.tenant_filter import TargetTenant, TargetTenants
from reconciler.errors import ReconcilerError
from reconciler.files.read import LoadedGrants, read_config, read_grants, read_yaml

GRANT = "grants:\n  - client: {client}\n    api: b\n"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("grants").mkdir()


def write_and_read(**texts: str) -> LoadedGrants:
    for name, text in texts.items():
        Path(f"grants/{name}.yaml").write_text(text, encoding="utf-8")
    return read_grants([Path("grants")])


def config_problems(text: str) -> list[str]:
    Path("reconciler.yaml").write_text(text, encoding="utf-8")
    return [f"{problem.source}: {problem.message}" for problem in read_config(Path("reconciler.yaml")).problems]


def test_grants_are_in_the_order_of_the_files() -> None:
    declared = write_and_read(b=GRANT.format(client="two"), a=GRANT.format(client="one"))
    assert [(spec.client, spec.file) for spec in declared.specs] == [("one", "grants/a.yaml"), ("two", "grants/b.yaml")]
    assert declared.problems == ()
    assert declared.texts["grants/a.yaml"].startswith("grants:\n")


def test_an_empty_folder_has_no_grants() -> None:
    assert write_and_read() == LoadedGrants((), (), {})


def test_all_problems_of_all_files_are_reported_together() -> None:
    Path("grants/pipe.yaml").symlink_to("/dev/null")
    declared = write_and_read(
        a=GRANT.format(client="x"),
        b="grants:\n  - client: &a 5\n    api: b\n    colour: red\n",
        c=GRANT.format(client="x") + "    scope: ['odd scope']\n",
        d="grants: [",
    )
    assert [(str(problem.source), problem.severity) for problem in declared.problems] == [
        ("grants/b.yaml:2:13", Severity.ERROR),
        ("grants/b.yaml:2:13", Severity.ERROR),
        ("grants/b.yaml:4:5", Severity.ERROR),
        ("grants/c.yaml:2:5", Severity.ERROR),
        ("grants/c.yaml:4:13", Severity.WARNING),
        ("grants/d.yaml:2:1", Severity.ERROR),
        ("grants/pipe.yaml", Severity.ERROR),
    ]
    assert [spec.file for spec in declared.specs] == ["grants/a.yaml", "grants/c.yaml"]
    assert len(errors(declared.problems)) == 6


def test_valid_grants_in_a_file_with_errors_are_checked() -> None:
    declared = write_and_read(a=GRANT.format(client="x") + "  - client: y\n", b=GRANT.format(client="x"))
    assert [(str(problem.source), problem.what[:22]) for problem in declared.problems] == [
        ("grants/a.yaml:4:5", '"api" and "audience" a'),
        ("grants/b.yaml:2:5", 'the grant of "x" for "'),
    ]
    assert [spec.file for spec in declared.specs] == ["grants/a.yaml", "grants/b.yaml"]


TWO_TENANTS = TargetTenants((TargetTenant("dev", {"stage": "dev"}), TargetTenant("prod", {})), ("dev", "prod"))


@pytest.mark.parametrize(
    ("item", "problems"),
    [
        ("client: ${no name}\n    api: ${stgae}", {"2:5": "invalid variable", "3:10": "dev and prod have no variable"}),
        ("client: a\n    api: ${stage}\n    colour: red", {"3:10": "prod has no variable", "4:5": "the key"}),
        (
            "client: a\n    scope: ['${x}', '${']",
            {"2:5": '"api" and "audience" are', "3:13": "dev and", "3:21": "invalid variable"},
        ),
        (
            "client: a\n    tenants: [test]",
            {"2:5": '"api" and "audience" are', "3:15": "the configuration does not declare the tenant"},
        ),
        ("client: ${stage}\n    tenants: [dev]", {"2:5": '"api" and "audience" are'}),
        ("client: ${stage}\n    api: b\n    tenants: 5", {"4:14": '"tenants" is the number 5'}),
        ("client: ${stage}\n    api: b\n    tenants: []", {"4:14": '"tenants" is'}),
        ("client: 5\n    api: b\n    scope: [5, '${x}']", {"2:13": '"client" is', "4:13": "an item of"}),
    ],
    ids=[
        "invalid name",
        "unknown key",
        "in a list",
        "unknown tenant",
        "variable of another tenant",
        "tenants not a list",
        "empty tenants",
        "invalid items",
    ],
)
def test_unknown_names_are_reported_with_other_problems(item: str, problems: dict[str, str]) -> None:
    Path("grants/a.yaml").write_text(f"grants:\n  - {item}\n", encoding="utf-8")

    found = {
        str(each.source).removeprefix("grants/a.yaml:"): each.what
        for each in read_grants([Path("grants")], TWO_TENANTS).problems
    }

    assert found.keys() == problems.keys()
    assert all(found[position].startswith(start) for position, start in problems.items())


def test_an_unreadable_file_has_a_problem_and_no_text() -> None:
    Path("grants/folder.yaml").mkdir()
    os.mkfifo("grants/pipe.yaml")
    declared = read_grants([Path("grants")])
    assert declared.texts == {"grants/pipe.yaml": ""}
    assert [problem.source for problem in declared.problems] == [Source("grants/pipe.yaml")]


@pytest.mark.parametrize("reader", [lambda path: read_grants([path]), read_config])
def test_a_file_that_does_not_exist_is_refused(reader: Any) -> None:
    with pytest.raises(ReconcilerError, match=r"nothing\.yaml does not exist; check the path"):
        reader(Path("nothing.yaml"))


def test_read_yaml_accepts_any_schema() -> None:
    Path("seed.yaml").write_text("clients: [a]\n", encoding="utf-8")
    schema = {"type": "object", "properties": {"clients": {"type": "array"}}}
    assert read_yaml(Path("seed.yaml"), schema).data == {"clients": ["a"]}
    assert read_yaml(Path("seed.yaml"), {"required": ["apis"]}).problems == (
        Problem(Source("seed.yaml", 1, 1), '"apis" is missing', "add it"),
    )


def test_a_configuration_with_all_settings_is_valid() -> None:
    assert not config_problems(
        """
default_tenant: sandbox
variables: {stage: dev}
credentials: AUTH0_DEV_
manage: [{client: "*", api: "*"}]
protect:
  - {client: "Payroll*", reason: owned by the payroll team}
limits: {deletes: 30, updates: 50}
tenants:
  sandbox: {kind: sandbox, seed: sandbox.yaml, database: .reconciler/sandbox.sqlite}
  production:
    domain: example.eu.auth0.com
    variables: {stage: prod, region_2: eu}
    credentials: AUTH0_PROD_
    manage: [{client_id: a*}]
    protect: [{client_id: tpc_*, api: "A?", audience: "https://*", subject_type: user}]
    limits: {deletes: 0.5}
  staging: {kind: auth0, domain: "127.0.0.1:8321"}
"""
    )
    assert read_config(Path("reconciler.yaml")).data["default_tenant"] == "sandbox"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("defualt_tenant: a", '1:1: the key "defualt_tenant" is unknown; did you mean "default_tenant"?'),
        ("tenants: {dev: {}}", '1:16: the tenant has no domain; add a domain, or write "kind: sandbox"'),
        ("tenants: {dev: {kind: sandbx}}", '1:23: "kind" cannot be "sandbx"; did you mean "sandbox"?'),
        (
            "tenants: {dev: {domain: a, seed: b}}",
            '1:28: "seed" is only valid for sandboxes; remove it, or write "kind: sandbox"',
        ),
        (
            "tenants: {dev: {domain: a, database: b}}",
            '1:28: "database" is only valid for sandboxes; remove it, or write "kind: sandbox"',
        ),
        (
            "protect: [{reason: because}]",
            "1:11: this item protects nothing; add at least one of client, client_id, api, audience and subject_type",
        ),
        (
            "manage: [{}]",
            "1:10: this item matches nothing; add at least one of client, client_id, api, audience and subject_type",
        ),
        ("manage: []", '1:9: "manage" is an empty list; write an item, or remove the key'),
        (
            "variables: {a-b: c}",
            "1:13: this is not a valid variable name; start with a letter, then use letters, digits or _",
        ),
        ("variables: {domain: c}", '1:13: "domain" is built in; give the variable another name'),
        ("variables: {a: 5}", '1:16: "a" is the number 5, not text; put it in quotes'),
        (
            "warn_before: 14",
            '1:14: "warn_before" is the number 14, not text; write for example 14d, 36h or 2w, or 0d for no warnings',
        ),
        (
            "credentials: 5",
            (
                '1:14: "credentials" is the number 5, not text; start with AUTH0_, use capital letters, digits and _, '
                "and end with _"
            ),
        ),
        ("variables: {a: ''}", '1:16: "a" is empty; write its value'),
        ('variables: {a: "\\e[2J"}', "1:13: the variable contains a control character; remove it"),
        (
            "tenants: {dev: {domain: a, credentials: GITHUB_}}",
            "1:28: this is not a valid prefix; start with AUTH0_, use capital letters, digits and _, and end with _",
        ),
        ("limits: {deletes: 101}", '1:19: "deletes" is 101; write at most 100'),
        ("limits: {updates: 50%}", '1:19: "updates" is text, not a number; write a number'),
        ("# nothing", "1:1: the file is empty; write a mapping, or remove it"),
    ],
)
def test_an_invalid_configuration_has_a_message(text: str, problem: str) -> None:
    assert config_problems(text) == [f"reconciler.yaml:{problem}"]
