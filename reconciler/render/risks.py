"""Pure: the table of risk rules, for a person and for a program."""

from collections.abc import Iterable, Iterator
from textwrap import wrap

from reconciler.core.risk import Level
from reconciler.core.risks import RiskRule
from reconciler.render.plan_json import Json
from reconciler.render.plan_text import LEVEL_STYLES
from reconciler.render.styled import Line, Span, line

WIDTH = 80


def rule_lines(rules: Iterable[RiskRule]) -> Iterator[Line]:
    """Yield a row per rule, the worst first, wrapped to 80 columns."""
    rules = list(rules)
    of_level = max(map(len, Level)) + 2
    of_name = max(len(rule.name) for rule in rules) + 2
    for rule in rules:
        first, *rest = wrap(rule.meaning, WIDTH - of_level - of_name, break_on_hyphens=False)
        yield line(Span(f"{rule.level:<{of_level}}", LEVEL_STYLES[rule.level]), f"{rule.name:<{of_name}}{first}")
        for text in rest:
            yield line(" " * (of_level + of_name), text)


def rules_json(rules: Iterable[RiskRule]) -> Json:
    """Return `{"rules": [{"name", "level", "meaning"}]}`."""
    return {"rules": [{"name": rule.name, "level": str(rule.level), "meaning": rule.meaning} for rule in rules]}
