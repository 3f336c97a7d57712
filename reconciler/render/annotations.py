"""Pure: problems as GitHub's workflow commands, which the page of a pull request shows on their lines.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.problems import Problem
from reconciler.core.quoting import visible
from reconciler.render.checkout import Checkout

IN_MESSAGES: Mapping[int, str] = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
IN_PROPERTIES: Mapping[int, str] = {**IN_MESSAGES, **str.maketrans({":": "%3A", ",": "%2C"})}
"""What the runner undoes. Without it a file's name or a scope could end the command and begin another."""


def annotations(problems: Iterable[Problem], checkout: Checkout) -> Iterator[str]:
    """Yield a command per problem, without line feed; a problem of a file as a whole is shown on the file."""
    for problem in problems:
        message = visible(problem.message).translate(IN_MESSAGES)
        yield f"::{problem.severity} {_properties(problem, checkout)}::{message}"


def _properties(problem: Problem, checkout: Checkout) -> str:
    source = problem.source
    properties = {"file": visible(checkout.path_of(source.file)), "title": "reconciler"}
    if source.line:
        properties |= {"line": str(source.line), "col": str(source.column)}
    return ",".join(f"{name}={value.translate(IN_PROPERTIES)}" for name, value in properties.items())
