from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import a_directory, a_plan, a_spec, an_api

from reconciler.core.characters import visible
from reconciler.core.problems import Problem, Severity, Source
from reconciler.output.github import annotations, plan_annotations
from reconciler.output.source_links import NO_REPOSITORY


@pytest.mark.parametrize(
    ("problem", "command"),
    [
        (
            Problem(Source("grants/a.yaml", 3, 5), "is wrong", "mend it"),
            "::error file=grants/a.yaml,title=reconciler,line=3,col=5::is wrong; mend it",
        ),
        (
            Problem(Source("grants/a.yaml"), "is odd", severity=Severity.WARNING),
            "::warning file=grants/a.yaml,title=reconciler::is odd",
        ),
        (
            Problem(Source("a,line=9::b.yaml", 1, 1), "100 %"),
            "::error file=a%2Cline=9%3A%3Ab.yaml,title=reconciler,line=1,col=1::100 %25",
        ),
    ],
    ids=["error", "warning-of-a-file", "deceptive-name"],
)
def test_a_problem_is_an_annotation_on_its_line(problem: Problem, command: str) -> None:
    assert list(annotations([problem], NO_REPOSITORY)) == [command]


@given(file=st.text(min_size=1), what=st.text(min_size=1))
def test_text_cannot_end_or_begin_a_command(file: str, what: str) -> None:
    (command,) = annotations([Problem(Source(file, 1, 2), what)], NO_REPOSITORY)

    assert command.isprintable()
    properties, _, message = command.removeprefix("::error ").partition("::")
    named = dict(each.split("=", 1) for each in properties.split(","))
    assert (unquote(named["file"]), named["line"], named["col"]) == (visible(NO_REPOSITORY.path_of(file)), "1", "2")
    assert message.replace("%25", "%") == visible(what)


def test_risks_are_annotations_on_the_lines_of_their_grants_highest_first() -> None:
    scopes = frozenset({"create:clients"})
    management = an_api("https://t.example/api/v2/", "Auth0", scopes=scopes, is_system=True)
    specs = [
        a_spec(line=3, client_id="a", scope=("admin:x",)),
        a_spec(line=7, client_id="b", audience=management.identifier, scope=("create:clients",)),
    ]
    directory = a_directory({"a": "Portal", "b": "Deploy"}, [an_api(scopes=frozenset({"admin:x"})), management])

    place = "file=grants/a.yaml,title=reconciler,line="
    takeover = "can take over the tenant: create:clients (management-api-takeover)"
    administration = "scopes with administrative names: admin:x (administration)"
    assert list(plan_annotations(a_plan(specs, directory=directory), NO_REPOSITORY)) == [
        f"::error {place}7,col=5::test: Deploy -> Auth0: {takeover}",
        f"::warning {place}3,col=5::test: Portal -> Invoices API: {administration}",
    ]
