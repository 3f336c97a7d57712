"""Pure: the ends of runs at one or several tenants as a whole text, in any of the forms that can be asked for."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from reconciler.artifacts.serialization import Json, action_of, json_text, plan_id, plan_json
from reconciler.core.outcome import ApplyReport
from reconciler.core.plan import Plan, TenantName
from reconciler.core.problems import Level
from reconciler.core.quoting import visible
from reconciler.output.escape import at_commit, marker, named, span
from reconciler.output.github import plan_annotations
from reconciler.output.markdown.outcomes import report_markdown
from reconciler.output.markdown.plan import plan_markdown
from reconciler.output.markdown.truncate import MOST_BYTES, Section, fitted, joined, share_of
from reconciler.output.sarif import plans_sarif
from reconciler.output.source_links import JUST_HERE, SourceLinks
from reconciler.output.styled import plain
from reconciler.output.text.outcomes import report_json, report_lines
from reconciler.output.text.plan import plan_lines
from reconciler.output.words import all_risks_of


@dataclass(frozen=True, slots=True)
class TenantFailure:
    """Why there is no result for a tenant, line by line, and whether the tenant is a sandbox."""

    lines: Sequence[str]
    is_sandbox: bool = False


Failures = Mapping[str, TenantFailure]
"""The failures by the tenant's name."""


def failures_json(failed: Failures) -> list[Json]:
    """Return `{"tenant", "errors"}` for each."""
    return [{"tenant": name, "sandbox": each.is_sandbox, "errors": list(each.lines)} for name, each in failed.items()]


def failures_text(failed: Failures, title: str) -> list[str]:
    """Return a paragraph for each tenant."""
    return [
        "".join(
            f"{text}\n"
            for text in (
                f"Tenant {visible(_tenant(name, each).label)}: {title}",
                *(f"  {visible(line)}" for line in each.lines),
            )
        )
        for name, each in failed.items()
    ]


def failures_markdown(failed: Failures, title: str, checkout: SourceLinks, most_bytes: int) -> list[str]:
    """Return a document for each tenant, of `most_bytes`; it stands in the place of the one that is missing."""
    return [
        fitted(
            [
                Section(
                    (f"{marker(name, checkout)}\n### {named(_tenant(name, each))}: {title}{at_commit(checkout)}\n\n",)
                ),
                Section(tuple(f"- {span(line)}\n" for line in each.lines), noun="problem"),
            ],
            most_bytes,
        )
        for name, each in failed.items()
    ]


def _tenant(name: str, failure: TenantFailure) -> TenantName:
    return TenantName(name, "", failure.is_sandbox)


PLAN_FORMS = ("text", "json", "markdown", "sarif", "github")
NO_PLAN = "no plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """What shapes a text: `every` grant that is left alone is told, files are those of `checkout`, bytes limited."""

    every: bool = False
    checkout: SourceLinks = JUST_HERE
    most_bytes: int = MOST_BYTES


@dataclass(frozen=True, slots=True)
class PlanResults:
    """What planning came to: plans, and by the tenant's name why there is none."""

    plans: Sequence[Plan]
    failed: Failures = field(default_factory=dict)

    @property
    def is_one(self) -> bool:
        """Whether one tenant was planned for."""
        return len(self.plans) + len(self.failed) == 1

    def of(self, names: Collection[str]) -> "PlanResults":
        """Return the part about the tenants of these names."""
        plans = [plan for plan in self.plans if plan.tenant.name in names]
        return PlanResults(plans, {name: why for name, why in self.failed.items() if name in names})


def plans_as(form: str, planned: PlanResults, view: PlanView) -> str:
    """Return `planned` as one text in a form of PLAN_FORMS."""
    if form == "json":
        return json_text(_plan_json(planned))
    if form == "sarif":
        return json_text(plans_sarif(planned.plans, view.checkout))
    if form == "github":
        found = (line for plan in planned.plans for line in plan_annotations(plan, view.checkout))
        return "".join(f"{line}\n" for line in dict.fromkeys(found))
    if form == "markdown":
        return joined(_plan_documents(planned, view), view.most_bytes)
    plans = [plain(plan_lines(plan, every=view.every)) for plan in planned.plans]
    return "\n".join(plans + failures_text(planned.failed, NO_PLAN))


def outputs_of(planned: PlanResults) -> dict[str, str]:
    """Return what steps of a pipeline ask of plans: counts over all of them, and their ids."""
    changes = Counter(action_of(change) for plan in planned.plans for change in plan.changes)
    return {
        "has_changes": str(changes.total() > 0).lower(),
        **{f"{action}s": str(changes[action]) for action in ("create", "update", "delete")},
        "blocked": str(sum(len(plan.blocked) for plan in planned.plans)),
        "critical": str(sum(risk.level is Level.CRITICAL for plan in planned.plans for risk in all_risks_of(plan))),
        "plan_id": " ".join(plan_id(plan) for plan in planned.plans),
    }


def _plan_json(planned: PlanResults) -> Json:
    if planned.is_one and planned.plans:
        return plan_json(planned.plans[0])
    return {"plans": [plan_json(plan) for plan in planned.plans], "failed": failures_json(planned.failed)}


def _plan_documents(planned: PlanResults, view: PlanView) -> list[str]:
    share = share_of(view.most_bytes, len(planned.plans) + len(planned.failed))
    plans = [plan_markdown(plan, checkout=view.checkout, most_bytes=share) for plan in planned.plans]
    return plans + failures_markdown(planned.failed, NO_PLAN, view.checkout, share)


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
