"""Write the pages for page.test.mjs into the folder in the first argument, and the JSON of each page next to it."""

import sys
from pathlib import Path

from support.access import (
    a_hostile_report,
    a_large_report,
    a_tenant_access,
    an_access_grant,
    an_access_report,
    unread_part,
)

from reconciler.artifacts.grant_json import json_text
from reconciler.core.access.report import ListingStatus
from reconciler.core.access.tenant_diff import compare_tenants
from reconciler.output.access.diff import diff_html
from reconciler.output.access.html import access_html
from reconciler.output.access.json import access_json

REPORTS = {
    "usual": a_large_report(60, applications=12, apis=6),
    "hostile": a_hostile_report(),
    "large": a_large_report(10_000),
    "two": a_large_report(80, applications=8, apis=6, tenants=2),
    "unread": an_access_report(unread_part(), history="the clone is shallow"),
    "unnamed": an_access_report(
        a_tenant_access(an_access_grant(no_effect="the tenant has no API with this identifier")),
        a_tenant_access(
            an_access_grant(application="billing"),
            name="dev",
            listings=(ListingStatus("grants", 1), ListingStatus("applications", None, "the token lacks read:clients")),
        ),
    ),
    "empty": an_access_report(unread_part(reason="")),
}


def main(folder: Path) -> None:
    """Write all pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, report in REPORTS.items():
        (folder / f"{name}.html").write_text(access_html(report), encoding="utf-8")
        (folder / f"{name}.json").write_text(json_text(access_json(report)), encoding="utf-8")
    diff = compare_tenants(*REPORTS["two"].tenants, is_declared=False)
    (folder / "diff.html").write_text(diff_html(diff), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
