from reconciler.core.problems import MAX_SOURCES, Problem, Severity, Source, one_per_cause


def test_equal_problems_on_several_lines_become_one_problem() -> None:
    missing = [Problem(Source("a.yaml", line, 3), "no application", "create it") for line in (9, 2, 5)]
    other = Problem(Source("a.yaml", 1, 1), "no application", "create it", Severity.WARNING)

    assert one_per_cause([*missing, *missing, other]) == (
        other,
        Problem(Source("a.yaml", 2, 3), "no application", "create it; also at a.yaml:5:3, a.yaml:9:3"),
    )


def test_the_number_of_listed_lines_is_limited() -> None:
    (problem,) = one_per_cause(Problem(Source("a.yaml", line), "no application") for line in range(1, 100))

    assert problem.fix.count("a.yaml") == MAX_SOURCES
    assert problem.fix.endswith(f" and {99 - 1 - MAX_SOURCES} more")
