from hypothesis import given
from hypothesis import strategies as st

from reconciler.render.budget import Part, fitted

ROWS = Part(tuple(f"row {n}\n" for n in range(100)), head="<table>\n", tail="</table>\n", noun="row")
FIXED = Part(("title\n",))
sizes = st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=5)


def test_what_fits_is_whole() -> None:
    assert fitted([FIXED, ROWS], 10_000) == "title\n<table>\n" + "".join(ROWS.items) + "</table>\n"


def test_the_last_items_of_the_last_parts_go_first_and_are_counted() -> None:
    more = Part(("detail\n",) * 3, noun="detail")

    text = fitted([FIXED, ROWS, more], 700)

    assert text.startswith("title\n<table>\nrow 0\nrow 1\n")
    assert "row 99" not in text
    assert "detail\n\n" not in text
    kept = text.count("\nrow ")
    assert f"</table>\n\n_{100 - kept} more rows not shown here._\n" in text
    assert text.endswith("\n_3 details not shown here._\n\n")


def test_what_is_fixed_is_never_left_out() -> None:
    assert "critical\n" * 50 in fitted([Part(("critical\n",) * 50), ROWS], 100)


@given(sizes, st.integers(min_value=600, max_value=2000))
def test_it_stays_within_its_bytes_and_loses_nothing_silently(sizes: list[list[int]], most: int) -> None:
    items = [[f"<{n}.{m}>{'é' * size}\n" for m, size in enumerate(some)] for n, some in enumerate(sizes)]
    parts = [Part(tuple(some), head="head\n", tail="tail\n", noun="row") for some in items]

    text = fitted(parts, most)

    assert len(text.encode()) <= most
    shown = [item in text for some in items for item in some]
    assert shown == sorted(shown, reverse=True)  # the first ones, without a gap
    told = [int(line.strip("_").split()[0]) for line in text.splitlines() if line.endswith("not shown here._")]
    assert sum(told) == shown.count(False)
