"""Pure: tenants for which there is no result, and why, beside those for which there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciler.core.plan import TenantName
from reconciler.core.quoting import visible
from reconciler.render.budget import Section, fitted
from reconciler.render.checkout import SourceLinks
from reconciler.render.hypertext import at_commit, marker, named, span
from reconciler.render.plan_json import Json


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
