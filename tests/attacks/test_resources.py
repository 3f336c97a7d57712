"""The files of a pull request must not use unlimited time or memory, or cause a traceback."""

import json
import os
import re
import resource
import subprocess
import time
from pathlib import Path

import pytest
from support.commands import CONFIG, GRANTS, TIMEOUT_SECONDS, CommandResult, a_workspace, command_line

from reconciler.contract.openapi import create_request
from reconciler.core.suggest import did_you_mean
from reconciler.errors import ReconcilerError

MAX_MEMORY_BYTES = 700_000_000
MAX_SECONDS = 20.0
"""The limit allows for a busy machine. On an idle machine, each command takes a few seconds."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return a_workspace(tmp_path, monkeypatch)


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (int(MAX_SECONDS), int(MAX_SECONDS)))


def run_limited(*arguments: str) -> CommandResult:
    """Run a command with a limit on memory and CPU time, without coverage."""
    done = subprocess.run(
        command_line(*arguments),
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        preexec_fn=_limited,
        timeout=5 * TIMEOUT_SECONDS,
    )
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    return CommandResult(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "item",
    ["[],", "{a: },", "a,"],
    ids=["lists", "mappings", "texts"],
)
def test_a_file_with_too_many_values_is_refused_early(here: Path, item: str) -> None:
    (here / "grants" / "billing.yaml").write_text(f"grants: [{item * (4_900_000 // len(item))}]\n")

    result = run_limited("validate")

    assert result.code == 1
    assert "more than 300,000 keys and values" in result.stderr


def test_many_files_with_too_many_values_are_refused_early(here: Path) -> None:
    for number in range(3):
        (here / "grants" / f"{number}.yaml").write_text(f"grants: [{'[],' * 290_000}]\n")

    result = run_limited("validate")

    assert result.code == 1
    assert "problems together, so no more files are read" in result.stderr


def test_many_valid_files_with_too_many_values_are_refused_early(here: Path) -> None:
    for number in range(5):
        many = "".join(f"{{client: a, api: b{number}-{each}}}," for each in range(50_000))
        (here / "grants" / f"{number}.yaml").write_text(f"grants: [{many}]\n")

    result = run_limited("validate")

    assert result.code == 1
    assert "more than 1,000,000 keys and values together" in result.stderr


def test_many_large_files_are_refused_early(here: Path) -> None:
    comment = f"# {'x' * 4_900_000}\n"
    for number in range(20):
        (here / "grants" / f"{number}.yaml").write_text(comment + GRANTS.replace("Billing", f"B{number}"))

    result = run_limited("validate")

    assert result.code == 1
    assert "more than 64,000,000 characters together" in result.stderr


def test_the_number_of_problems_is_limited_for_all_files(here: Path) -> None:
    for number in range(50):
        (here / "grants" / f"{number}.yaml").write_text("grants:\n" + "  - wrong\n" * 900)

    result = run_limited("validate")

    assert result.code == 1
    assert result.stderr.count("\n") < 5000 * 3


def configuration(names: list[str], **fields: object) -> str:
    tenants = {name: {"domain": f"t{number}.eu.auth0.com", **fields} for number, name in enumerate(names)}
    return json.dumps({"tenants": tenants})


@pytest.mark.parametrize("length", [60, 1000], ids=["many names", "long names"])
def test_suggestions_are_fast(here: Path, length: int) -> None:
    count = min(1000, 96_000 // length)
    names = [f"{'ab' * (length // 2 - 5)}{number:09}" for number in range(count)]
    (here / "reconciler.yaml").write_text(configuration(names))
    wrong = [f"x{name}" for name in names]
    (here / "grants" / "billing.yaml").write_text(
        json.dumps({"tenants": wrong, "grants": [{"client": "a", "api": "b"}]})
    )

    started = time.process_time()
    result = run_limited("validate")

    assert result.code == 1
    assert "does not declare the tenant" in result.stderr
    assert len(result.stderr) < 3_000_000
    assert time.process_time() - started < MAX_SECONDS


def test_suggestions_skip_long_words_and_find_similar_words() -> None:
    many = [f"scope:{number:05}" for number in range(50_000)]

    assert did_you_mean("a" * 5000, ["a" * 5001]) == ""
    assert did_you_mean("write:invoces", [*many, "write:invoices"]) == 'did you mean "write:invoices"?'


def write_fleet(here: Path, tenants: int, grants: int, item: dict[str, object]) -> None:
    names = [f"tenant-{number}" for number in range(tenants)]
    variables = {name: {"domain": f"{name}.eu.auth0.com", "variables": {"a": name}} for name in names}
    (here / "reconciler.yaml").write_text(json.dumps({"tenants": variables}))
    items = [{"client": f"c{number}", "api": "b", **item} for number in range(grants)]
    (here / "grants" / "billing.yaml").write_text(json.dumps({"grants": items}))


@pytest.mark.parametrize(
    ("tenants", "grants", "item"),
    [
        (2_000, 2_000, {"tenants": [f"tenant-{number}" for number in range(50)], "scope": ["${a}"]}),
        (5_000, 3_000, {"tenants": ["tenant-*"], "scope": ["${a}", "${b}", "${c}", "${d}"]}),
    ],
    ids=["names", "patterns"],
)
def test_combinations_of_tenants_and_grants_are_limited(
    here: Path, tenants: int, grants: int, item: dict[str, object]
) -> None:
    write_fleet(here, tenants, grants, item)

    assert run_limited("validate").code in {0, 1}


def test_too_many_combinations_are_an_error(here: Path) -> None:
    write_fleet(here, 7_000, 100, {"scope": ["read:${a}"]})

    result = run_limited("validate")

    assert result.code == 1
    assert (
        "grants and tenants have 2,100,000 combinations, more than 2,000,000, so the grants are not checked"
        in result.stderr
    )
    assert run_limited("--tenant", "tenant-7", "validate").code == 0


def test_a_large_fleet_is_checked_completely(here: Path) -> None:
    write_fleet(here, 200, 1_000, {"scope": ["read:${a}"]})

    assert run_limited("validate").code == 0


def exponential_document(levels: int) -> dict[str, object]:
    """Return an OpenAPI document whose references expand to 2 ** levels parts."""
    schemas: dict[str, object] = {
        f"L{number}": {"properties": {side: {"$ref": f"#/components/schemas/L{number + 1}"} for side in "ab"}}
        for number in range(levels)
    }
    schemas[f"L{levels}"] = {"type": "string"}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/L0"}}}}
    return {"paths": {"/client-grants": {"post": {"requestBody": body}}}, "components": {"schemas": schemas}}


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["print", "check"])
def test_the_expansion_of_references_is_limited(here: Path, options: list[str]) -> None:
    (here / "openapi.json").write_text(json.dumps(exponential_document(40)))

    result = run_limited("schema", "--spec", "openapi.json", *options)

    assert result.code == 1
    assert "more than 10,000 values" in result.stderr


def test_a_document_with_too_deep_nesting_is_an_error() -> None:
    document = exponential_document(0)
    schema: dict[str, object] = {}
    for _ in range(900):
        schema = {"items": [schema]}
    document["components"] = {"schemas": {"L0": schema}}

    with pytest.raises(ReconcilerError, match="more than 200 nested levels"):
        create_request(document)


CLIENTS = f"[{', '.join(f'a{number}' for number in range(20_000))}]"


@pytest.mark.parametrize(
    ("grants", "code"),
    [
        (f"grants:\n- clients: {CLIENTS}\n  api: X\n  expires: 2020-01-01\n  scope: [x]\n", 0),
        (f"grants:\n- clients: {CLIENTS}\n  api: X\n  scope: ['@undefined']\n", 1),
        (f"grants:\n- clients: {CLIENTS}\n  audience: 'https://${{domain}}/'\n  scope: [x]\n", 0),
        (f"grants:\n- clients: {CLIENTS}\n  audience: 'https://${{undefined}}/'\n", 1),
        (f"grants:\n- clients: {CLIENTS}\n  api: X\n  organizations: [x]\n", 0),
        (f"grants:\n- clients: {CLIENTS}\n  api: X\n  tenants: {CLIENTS}\n", 1),
        (f"tenants: {CLIENTS}\ngrants:\n" + "".join(f"- {{client: a{n}, api: X}}\n" for n in range(20_000)), 1),
    ],
    ids=["expired", "scope set", "variable", "undefined variable", "organizations", "tenants", "tenants of the file"],
)
def test_a_long_list_is_checked_in_linear_time(here: Path, grants: str, code: int) -> None:
    (here / "grants" / "billing.yaml").write_text(grants)

    assert run_limited("validate").code == code


def test_the_problem_of_a_declaration_is_reported_once(here: Path) -> None:
    lines = "  api: X\n  expires: 2020-01-01\n  scope: ['@undefined', 'a\"b']\n  organizations: [x]\n"
    (here / "grants" / "billing.yaml").write_text("grants:\n- clients: ['${a}', B, '${b}']\n" + lines)

    shown = run_limited("validate").stderr

    positions = re.findall(r"^grants/billing\.yaml:(\d+:\d+): ", shown, re.MULTILINE)
    assert positions == ["2:13", "2:24", "4:12", "5:11", "5:25", "6:18"]


@pytest.mark.parametrize("field", ["scope", "organizations"])
def test_a_list_of_clients_cannot_repeat_too_many_values(here: Path, field: str) -> None:
    (here / "grants" / "billing.yaml").write_text(
        f"grants:\n- {{client: B, api: X}}\n- clients: {CLIENTS}\n  api: X\n  {field}: {CLIENTS}\n"
    )

    result = run_limited("validate")

    assert result.code == 1
    assert result.stderr.startswith(
        "grants/billing.yaml:3:13: lists of clients repeat scopes and organizations 400,000,000 times (limit "
    )
    assert run_limited("plan").code == 1


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]], ids=" ".join)
def test_the_deadline_also_limits_computation(here: Path, command: list[str]) -> None:
    protect = [{"client": f"Nobody {number} *"} for number in range(1_000)]
    (here / "reconciler.yaml").write_text(CONFIG + f"protect: {json.dumps(protect)}\n")
    many = "".join(f"  - {{client: Billing, audience: 'https://a{number}/', scope: []}}\n" for number in range(3000))
    (here / "grants" / "billing.yaml").write_text("grants:\n" + many)
    apis = "".join(f"  - {{name: A{number}, identifier: 'https://a{number}/'}}\n" for number in range(3000))
    (here / "tenant.yaml").write_text(f"applications: [{{name: Billing, client_id: billing}}]\napis:\n{apis}")

    result = run_limited(*command, "--timeout", "2s")

    assert result.code == 1
    assert result.stderr.endswith("error: time limit exceeded (--timeout)\n")


def test_the_deadline_also_limits_validate(here: Path) -> None:
    write_fleet(here, 500, 1_000, {"scope": ["read:${a}"]})

    result = run_limited("validate", "--timeout", "1s")

    assert (result.code, result.stderr) == (1, "error: time limit exceeded (--timeout)\n")


def test_the_number_of_shown_problems_is_limited(here: Path) -> None:
    items = [{"client": "Billing", "audience": f"urn:invented:{number}", "scope": []} for number in range(1_800)]
    (here / "grants" / "billing.yaml").write_text(json.dumps({"grants": items}))

    result = run_limited("plan")

    assert result.code == 1
    assert result.stderr.count('the tenant has no API with identifier "urn:invented:') == 1000
    assert result.stderr.endswith("800 more problems are not shown; fix the problems above first\n")


def test_the_undefined_scopes_of_a_grant_are_one_line(here: Path) -> None:
    items = [{"client": "Billing", "api": "Invoices API", "scope": [f"invented:{number:05}" for number in range(900)]}]
    (here / "grants" / "billing.yaml").write_text(json.dumps({"grants": items}))

    result = run_limited("plan")

    assert result.code == 1
    assert result.stderr.count("invented:") == 10
    assert 'the API "Invoices API" does not define 900 scopes of this grant: invented:00000, ' in result.stderr


@pytest.mark.parametrize(
    ("value", "what"),
    [("x" * 400, "has 401 characters"), ("ead:invoices", "listed twice")],
    ids=["too long", "twice"],
)
def test_the_result_of_a_variable_is_checked(here: Path, value: str, what: str) -> None:
    sandbox = {"kind": "sandbox", "seed": "tenant.yaml", "variables": {"value": value}}
    (here / "reconciler.yaml").write_text(json.dumps({"tenants": {"local": sandbox}}))
    (here / "grants" / "billing.yaml").write_text(
        "grants:\n  - client: Billing\n    api: Invoices API\n    scope: ['read:invoices', 'r${value}']\n"
    )

    for command in (["validate"], ["plan"], ["apply", "--yes"]):
        result = run_limited(*command)
        assert result.code == 1, result.output
        assert re.match(r"grants/billing\.yaml:4:\d+: .*, with the variables of the tenant \"local\"", result.stderr), (
            result.stderr
        )
        assert what in result.stderr


def test_whitespace_from_a_variable_is_a_warning(here: Path) -> None:
    tenants = {"local": {"kind": "sandbox", "seed": "tenant.yaml", "variables": {"sp": "read: invoices"}}}
    (here / "reconciler.yaml").write_text(json.dumps({"tenants": tenants}))
    (here / "grants" / "billing.yaml").write_text("grants: [{client: Billing, api: Invoices API, scope: ['${sp}']}]\n")

    assert "billing.yaml:1:55: warning: the scope" in run_limited("validate").stderr


def test_a_value_that_looks_like_a_variable_is_not_replaced(here: Path) -> None:
    tenants = {"local": {"kind": "sandbox", "seed": "tenant.yaml", "variables": {"a": "$${b} ${c}", "b": "x"}}}
    (here / "reconciler.yaml").write_text(json.dumps({"tenants": tenants}))
    (here / "grants" / "billing.yaml").write_text("grants: [{client: '${a}', api: Invoices API, scope: []}]\n")

    assert run_limited("validate").code == 0
