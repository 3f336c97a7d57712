"""Pure: tenants for which there is no result, and why, beside those for which there is one."""

from collections.abc import Mapping, Sequence

from reconciler.core.quoting import visible
from reconciler.render.budget import Part, fitted
from reconciler.render.checkout import Checkout
from reconciler.render.hypertext import marker, span
from reconciler.render.plan_json import Json

Failures = Mapping[str, Sequence[str]]
"""By the tenant's name what is wrong, line by line."""


def failures_json(failed: Failures) -> list[Json]:
    """Return `{"tenant", "errors"}` for each."""
    return [{"tenant": name, "errors": list(lines)} for name, lines in failed.items()]


def failures_text(failed: Failures, title: str) -> list[str]:
    """Return a paragraph for each tenant."""
    return [
        "".join(f"{text}\n" for text in (f"Tenant {visible(name)}: {title}", *(f"  {visible(each)}" for each in lines)))
        for name, lines in failed.items()
    ]


def failures_markdown(failed: Failures, title: str, checkout: Checkout, most_bytes: int) -> list[str]:
    """Return a document for each tenant, of `most_bytes`; it stands in the place of the one that is missing."""
    return [
        fitted(
            [
                Part((f"{marker(name, checkout)}\n### {span(name)}: {title}\n\n",)),
                Part(tuple(f"- {span(line)}\n" for line in lines), noun="problem"),
            ],
            most_bytes,
        )
        for name, lines in failed.items()
    ]
