from reconciler.core.problems import Finding, Status
from reconciler.output.styled import plain
from reconciler.output.text.problems import finding_lines, findings_json

FINDINGS = [
    Finding("clock", Status.OK, "equal to the tenant's"),
    Finding("token", Status.WARNING, " ".join(["word"] * 20), " ".join(["advice"] * 15)),
    Finding("name resolution", Status.FAILED, f"https://{'x' * 80}/\x1b[2J", "look"),
    Finding("API", Status.SKIPPED, "there is no token"),
]


def test_findings_are_aligned_and_followed_by_advice() -> None:
    assert plain(finding_lines(FINDINGS)).splitlines() == [
        "ok       clock            equal to the tenant's",
        "warning  token            word word word word word word word word word word word",
        "                          word word word word word word word word word",
        "                          -> advice advice advice advice advice advice advice",
        "                             advice advice advice advice advice advice advice",
        "                             advice",
        f"failed   name resolution  https://{'x' * 80}/\\x1b[2J",
        "                          -> look",
        "skipped  API              there is no token",
        "",
        "Checks: 1 ok, 1 warning, 1 failed, 1 skipped.",
    ]


def test_json_contains_every_finding_completely() -> None:
    data = findings_json(FINDINGS[:1])

    assert data == {
        "summary": {"ok": 1, "warning": 0, "failed": 0, "skipped": 0},
        "checks": [{"check": "clock", "status": "ok", "found": "equal to the tenant's", "advice": ""}],
    }
