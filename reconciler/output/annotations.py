"""Write problems of files and risks of plans as annotations at the lines of the files.

The formats are SARIF 2.1.0 (OASIS) for code scanning services, and workflow commands of GitHub Actions. GitHub shows
workflow commands in the pull request.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from reconciler import __version__
from reconciler.artifacts.grant_json import key_json
from reconciler.artifacts.serialization import Json, change_effect, digest, plan_id
from reconciler.core.characters import shorten, visible
from reconciler.core.config_rules import CONFIG_RULES, ConfigChange, ConfigRule
from reconciler.core.grant import Key
from reconciler.core.identity import TenantName
from reconciler.core.plan import Delete, Plan
from reconciler.core.plan_risks import GrantRisk, risks_at_level
from reconciler.core.problems import Level, Problem, Severity, Source
from reconciler.core.risks import RULES, RiskRule
from reconciler.output.source_links import SourceLinks
from reconciler.output.words import SHOWN_LEVELS, tenants_prefix

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {Level.CRITICAL: "error", Level.HIGH: "warning", Level.LOW: "note"}
SECURITY_SEVERITY = {Level.CRITICAL: "9.5", Level.HIGH: "7.5", Level.LOW: "3.0"}
"""The severity of each risk level for GitHub.

GitHub shows a severity from 9.0 as critical, a severity from 7.0 as high, and a severity below 4.0 as low.
"""
ALL_RULES: tuple[RiskRule | ConfigRule, ...] = (*RULES, *CONFIG_RULES)
GRANT_FILE: Json = {"id": "grant-file", "shortDescription": {"text": "A grant file has an error"}}


def problems_sarif(problems: Iterable[Problem], links: SourceLinks) -> Json:
    """Return a SARIF log with the problems of files."""
    results: list[Json] = [
        {
            "ruleId": GRANT_FILE["id"],
            "level": "error" if problem.severity is Severity.ERROR else "warning",
            "message": {"text": _message(problem.message)},
            "locations": [_location(problem.source, links)],
            "partialFingerprints": _fingerprint([links.path_of(problem.source.file), problem.what]),
        }
        for problem in problems
    ]
    return _log([GRANT_FILE], results)


def plans_sarif(plans: Iterable[Plan], links: SourceLinks) -> Json:
    """Return a SARIF log with the risks of plans.

    Code scanning services require a file location for every result. For a deleted grant, the file location is the
    configuration file, because no file declares a deleted grant.
    """
    plans = tuple(plans)
    # every plan contains the changes to reconciler.yaml, so several plans produce duplicate SARIF results
    distinct = {digest(each["partialFingerprints"]): each for plan in plans for each in _results(plan, links)}
    log = _log(_rules(), list(distinct.values()))
    log["properties"] = {
        "plans": [
            {"tenant": plan.tenant.name, "sandbox": plan.tenant.is_sandbox, "plan_id": plan_id(plan)} for plan in plans
        ]
    }
    return log


def rules_sarif() -> Json:
    """Return a SARIF log that contains the risk rules and no results."""
    return _log(_rules(), [])


def _results(plan: Plan, links: SourceLinks) -> Iterator[Json]:
    changes = [*plan.changes, *(each.change for each in plan.blocked)]
    effects = {change.key: change_effect(change) for change in changes}
    effects |= {each.key: {"stays": key_json(each.key)} for each in plan.no_longer_declared}
    sources = _sources(plan)
    yield from (_config_result(each, links) for each in plan.config_changes)
    for level in Level:
        for each in risks_at_level(plan, level):
            source = sources.get(each.key)
            location = _location(source, links) if source else _physical(links.config, 1, 1)
            yield _result(each, location, plan.tenant, effects[each.key])


def _result(danger: GrantRisk, location: Json, tenant: TenantName, effect: Json) -> Json:
    """Return a risk as a SARIF result.

    A user can dismiss a result at the code scanning service. The fingerprint contains the `effect` of the change, so
    that a dismissed result hides only the change that the user dismissed.
    """
    grant = [{"fullyQualifiedName": f"{visible(tenant.label)}: {danger.label}", "kind": "resource"}]
    return {
        "ruleId": danger.risk.rule,
        "level": LEVELS[danger.risk.level],
        "message": {"text": _message(f"{tenant.label}: {danger.label}: {danger.risk.message}")},
        "locations": [{**location, "logicalLocations": grant}],
        "partialFingerprints": _fingerprint([tenant.domain, danger.risk.rule, key_json(danger.key), effect]),
    }


def _config_result(change: ConfigChange, links: SourceLinks) -> Json:
    risk = change.risk
    return {
        "ruleId": risk.rule,
        "level": LEVELS[risk.level],
        "message": {"text": _message(f"reconciler.yaml: {tenants_prefix(change)}{risk.message}")},
        "locations": [_physical(links.config, 1, 1)],
        "partialFingerprints": _fingerprint([links.config, risk.rule, list(change.tenants), risk.message]),
    }


def _rules() -> list[Json]:
    return [
        {
            "id": rule.name,
            "shortDescription": {"text": rule.meaning},
            "defaultConfiguration": {"level": LEVELS[rule.level]},
            "properties": {"tags": ["security"], "security-severity": SECURITY_SEVERITY[rule.level]},
        }
        for rule in ALL_RULES
    ]


def _location(source: Source, links: SourceLinks) -> Json:
    return _physical(links.path_of(source.file), source.line, source.column)


def _physical(path: str, line: int, column: int) -> Json:
    file: Json = {"artifactLocation": {"uri": quote(path)}}
    if line:
        file["region"] = {"startLine": line, "startColumn": column}
    return {"physicalLocation": file}


def _message(text: str) -> str:
    """Return `text` escaped for a SARIF message, because `[text](target)` would be a link (SARIF, 3.11.6)."""
    return visible(text).replace("](", r"]\x28")


def _fingerprint(value: object) -> Json:
    """Return the fingerprint of a SARIF result, which is a digest of `value`."""
    return {"reconciler/v1": digest(value)}


def _log(rules: Sequence[Json], results: Sequence[Json]) -> Json:
    driver = {"name": "reconciler", "semanticVersion": __version__, "rules": list(rules)}
    run: Json = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": list(results)}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


MAX_MESSAGE_LENGTH = 1_000
"""The maximum length of a message in a workflow command, in characters."""
IN_MESSAGES: Mapping[int, str] = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
IN_PROPERTIES: Mapping[int, str] = {**IN_MESSAGES, **str.maketrans({":": "%3A", ",": "%2C"})}
"""Maps special characters in the properties of workflow commands to escape sequences.

Without the escape sequences, a file name or a scope could end the workflow command and start another command.
"""


def problem_commands(problems: Iterable[Problem], links: SourceLinks) -> Iterator[str]:
    """Yield a workflow command for each problem, without a line feed at the end.

    If a problem has no line number, GitHub shows the problem for the whole file.
    """
    for problem in problems:
        source = problem.source._replace(file=links.path_of(problem.source.file))
        yield _command(str(problem.severity), source, problem.message)


def plan_commands(plan: Plan, links: SourceLinks) -> Iterator[str]:
    """Yield a workflow command for each critical or high risk of a plan or of a change to reconciler.yaml.

    The command for a deleted grant refers to the configuration file, because no file declares a deleted grant.
    """
    config = Source(links.config, 1, 1)
    for each in plan.config_changes:
        if each.risk.level in SHOWN_LEVELS:
            message = f"{tenants_prefix(each)}{shorten(each.risk.message, MAX_MESSAGE_LENGTH)} ({each.risk.rule})"
            yield _command(LEVELS[each.risk.level], config, message)
    sources = _sources(plan)
    for level in SHOWN_LEVELS:
        for found in risks_at_level(plan, level):
            source = sources.get(found.key)
            location = source._replace(file=links.path_of(source.file)) if source else config
            message = f"{found.label}: {shorten(found.risk.message, MAX_MESSAGE_LENGTH)} ({found.risk.rule})"
            yield _command(LEVELS[level], location, f"{plan.tenant.label}: {message}")


def _sources(plan: Plan) -> dict[Key, Source]:
    """Return the location of the declaration of each created or updated grant, including blocked changes."""
    changes = (*plan.changes, *(each.change for each in plan.blocked))
    return {change.key: change.after.spec.source for change in changes if not isinstance(change, Delete)}


def _command(word: str, source: Source, message: str) -> str:
    text = visible(message).translate(IN_MESSAGES)
    return f"::{word} {_properties(source)}::{text}"


def _properties(source: Source) -> str:
    properties = {"file": visible(source.file), "title": "reconciler"}
    if source.line:
        properties |= {"line": str(source.line), "col": str(source.column)}
    return ",".join(f"{name}={value.translate(IN_PROPERTIES)}" for name, value in properties.items())
