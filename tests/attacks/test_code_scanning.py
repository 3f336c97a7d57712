"""A dismissed code-scanning alert must not hide a later change. Messages must not contain links from user data."""

import re
from typing import Any

from support.builders import a_directory, a_plan, a_spec, an_api

from reconciler.core.plan import Plan
from reconciler.core.problems import Problem, Source
from reconciler.output.annotations import plans_sarif, problems_sarif
from reconciler.output.source_links import NO_REPOSITORY

LINK = re.compile(r"\[[^\]]*\]\([^)]*\)")


def results(log: Any) -> list[Any]:
    found: list[Any] = log["runs"][0]["results"]
    return found


def fingerprints(plan: Plan) -> set[str]:
    return {each["partialFingerprints"]["reconciler/v1"] for each in results(plans_sarif([plan], NO_REPOSITORY))}


def test_a_change_that_gives_more_access_has_another_fingerprint() -> None:
    admin = a_plan([a_spec(scope=("admin:reports",))])
    same = a_plan([a_spec(line=90, scope=("admin:reports",), description="moved")])
    more = a_plan([a_spec(scope=("admin:reports", "admin:users"))])
    other = a_plan([a_spec(scope=("admin:users",))])
    everybody = a_plan([a_spec(scope=("admin:reports",), allow_any_organization=True)])

    assert fingerprints(admin) == fingerprints(same)
    for each in (more, other, everybody):
        assert fingerprints(admin).isdisjoint(fingerprints(each))


def test_no_message_contains_a_link() -> None:
    name = "[click](https://evil.example)"
    directory = a_directory({"billing": name}, [an_api(name=name, scopes=frozenset({f"admin:{name}"}))])
    log: Any = plans_sarif([a_plan([a_spec(scope=(f"admin:{name}",))], directory=directory)], NO_REPOSITORY)
    problems: Any = problems_sarif(
        [Problem(Source(name, 1, 1), f"no {name}", f"write [{name}]({name})")], NO_REPOSITORY
    )

    texts = [each["message"]["text"] for each in (*results(log), *results(problems))]
    assert len(texts) > 1
    assert all("evil.example" in text for text in texts)
    assert not any(map(LINK.search, texts))
