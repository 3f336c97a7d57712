"""Pure: the ends of runs at one or several tenants as a whole text, in any of the forms that can be asked for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from reconciler.core.outcome import ApplyReport
from reconciler.core.plan import Plan
from reconciler.render.budget import joined, share_of
from reconciler.render.checkout import SourceLinks
from reconciler.render.data import json_text
from reconciler.render.failures import Failures, failures_json, failures_markdown, failures_text
from reconciler.render.outcomes import report_json, report_lines
from reconciler.render.outcomes_markdown import report_markdown
from reconciler.render.plan_json import Json
from reconciler.render.styled import plain

FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RunResult:
    """A plan, and what became of it."""

    plan: Plan
    report: ApplyReport


@dataclass(frozen=True, slots=True)
class RunResults:
    """How a command ended at its tenants: runs, and by the tenant's name why there was none."""

    ends: Sequence[RunResult]
    failed: Failures = field(default_factory=dict)

    def of(self, names: Collection[str]) -> "RunResults":
        """Return the part about the tenants of these names."""
        ends = [end for end in self.ends if end.plan.tenant.name in names]
        return RunResults(ends, {name: why for name, why in self.failed.items() if name in names})


def ends_as(form: str, ends: RunResults, checkout: SourceLinks, most_bytes: int) -> str:
    """Return `ends` as one text: text, json or markdown."""
    if form == "json":
        return json_text(_json(ends))
    if form == "markdown":
        return joined(_documents(ends, checkout, most_bytes), most_bytes)
    told = [plain(report_lines(end.report, end.plan.directory)) for end in ends.ends]
    return "\n".join(told + failures_text(ends.failed, FAILED))


def _json(ends: RunResults) -> Json:
    if len(ends.ends) == 1 and not ends.failed:
        return _end(ends.ends[0])
    return {
        "tenants": [_end(end) for end in ends.ends],
        "failed": failures_json(ends.failed),
    }


def _end(end: RunResult) -> Json:
    tenant = end.plan.tenant
    return {"tenant": tenant.name, "sandbox": tenant.is_sandbox, **report_json(end.report)}


def _documents(ends: RunResults, checkout: SourceLinks, most_bytes: int) -> list[str]:
    share = share_of(most_bytes, len(ends.ends) + len(ends.failed))
    told = [report_markdown(end.report, end.plan, checkout, share) for end in ends.ends]
    return told + failures_markdown(ends.failed, FAILED, checkout, share)
