"""Pure: plans of one or several tenants as a whole text, in any of the forms that can be asked for."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from reconciler.core.plan import Plan
from reconciler.core.risk import Level
from reconciler.render.annotations import plan_annotations
from reconciler.render.budget import MOST_BYTES, joined, share_of
from reconciler.render.checkout import JUST_HERE, SourceLinks
from reconciler.render.data import json_text
from reconciler.render.failures import Failures, failures_json, failures_markdown, failures_text
from reconciler.render.plan_json import Json, action_of, plan_id, plan_json
from reconciler.render.plan_markdown import plan_markdown
from reconciler.render.plan_text import plan_lines
from reconciler.render.plan_words import all_risks_of
from reconciler.render.sarif import plans_sarif
from reconciler.render.styled import plain

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
        return json_text(_json(planned))
    if form == "sarif":
        return json_text(plans_sarif(planned.plans, view.checkout))
    if form == "github":
        found = (line for plan in planned.plans for line in plan_annotations(plan, view.checkout))
        return "".join(f"{line}\n" for line in dict.fromkeys(found))
    if form == "markdown":
        return joined(_documents(planned, view), view.most_bytes)
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


def _json(planned: PlanResults) -> Json:
    if planned.is_one and planned.plans:
        return plan_json(planned.plans[0])
    return {"plans": [plan_json(plan) for plan in planned.plans], "failed": failures_json(planned.failed)}


def _documents(planned: PlanResults, view: PlanView) -> list[str]:
    share = share_of(view.most_bytes, len(planned.plans) + len(planned.failed))
    plans = [plan_markdown(plan, checkout=view.checkout, most_bytes=share) for plan in planned.plans]
    return plans + failures_markdown(planned.failed, NO_PLAN, view.checkout, share)
