"""Write problems and risks as workflow commands of GitHub Actions.

GitHub shows each problem at its line in the pull request.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from reconciler.core.characters import shorten, visible
from reconciler.core.plan import Delete, Plan
from reconciler.core.plan_risks import risks_at_level
from reconciler.core.problems import Level, Problem, Source
from reconciler.output.source_links import SourceLinks
from reconciler.output.words import tenants_prefix

COMMANDS: Mapping[Level, str] = {Level.CRITICAL: "error", Level.HIGH: "warning"}
MAX_MESSAGE_LENGTH = 1_000
IN_MESSAGES: Mapping[int, str] = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
IN_PROPERTIES: Mapping[int, str] = {**IN_MESSAGES, **str.maketrans({":": "%3A", ",": "%2C"})}
"""Maps special characters in the properties of workflow commands to escape sequences.

Without the escape sequences, a file name or a scope could end the workflow command and start another command.
"""


def annotations(problems: Iterable[Problem], links: SourceLinks) -> Iterator[str]:
    """Yield a GitHub workflow command for each problem, without a line feed at the end.

    If a problem has no line number, GitHub shows the problem for the whole file.
    """
    for problem in problems:
        source = replace(problem.source, file=links.path_of(problem.source.file))
        yield _command(str(problem.severity), source, problem.message)


def plan_annotations(plan: Plan, links: SourceLinks) -> Iterator[str]:
    """Yield a GitHub workflow command for each critical or high risk of a plan or of a change to reconciler.yaml.

    The command for a deleted grant refers to the configuration file, because no file declares a deleted grant.
    """
    config = Source(links.config, 1, 1)
    for each in plan.config_changes:
        if each.risk.level in COMMANDS:
            message = f"{tenants_prefix(each)}{shorten(each.risk.message, MAX_MESSAGE_LENGTH)} ({each.risk.rule})"
            yield _command(COMMANDS[each.risk.level], config, message)
    changes = (*plan.changes, *(each.change for each in plan.blocked))
    sources = {change.key: change.after.spec.source for change in changes if not isinstance(change, Delete)}
    for level, word in COMMANDS.items():
        for found in risks_at_level(plan, level):
            source = sources.get(found.key)
            location = replace(source, file=links.path_of(source.file)) if source else config
            message = f"{found.label}: {shorten(found.risk.message, MAX_MESSAGE_LENGTH)} ({found.risk.rule})"
            yield _command(word, location, f"{plan.tenant.label}: {message}")


def _command(word: str, source: Source, message: str) -> str:
    text = visible(message).translate(IN_MESSAGES)
    return f"::{word} {_properties(source)}::{text}"


def _properties(source: Source) -> str:
    properties = {"file": visible(source.file), "title": "reconciler"}
    if source.line:
        properties |= {"line": str(source.line), "col": str(source.column)}
    return ",".join(f"{name}={value.translate(IN_PROPERTIES)}" for name, value in properties.items())
