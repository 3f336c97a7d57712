"""Pure: the table of risk rules, for a person and for a program."""

from collections.abc import Iterable, Iterator

from reconciler.core.risk import Level
from reconciler.core.risks import RiskRule
from reconciler.render.plan_json import Json
from reconciler.render.plan_text import LEVEL_STYLES
from reconciler.render.styled import Line, Span, line


def rule_lines(rules: Iterable[RiskRule]) -> Iterator[Line]:
    """Yield a row per rule, the worst first."""
    rules = list(rules)
    widest, name = max(map(len, Level)), max(len(rule.name) for rule in rules)
    for rule in rules:
        yield line(Span(f"{rule.level:<{widest}}", LEVEL_STYLES[rule.level]), f"  {rule.name:<{name}}  {rule.meaning}")


def rules_json(rules: Iterable[RiskRule]) -> Json:
    """Return `{"rules": [{"name", "level", "meaning"}]}`."""
    return {"rules": [{"name": rule.name, "level": str(rule.level), "meaning": rule.meaning} for rule in rules]}
