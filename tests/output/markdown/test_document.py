from hypothesis import given
from hypothesis import strategies as st

from reconciler.output.markdown.document import TRUNCATION_REMARK, Section, join_sections

TABLE = Section(tuple(f"row {n}\n" for n in range(100)), head="<table>\n", tail="</table>\n", noun="row")
TITLE = Section(("title\n",))
sizes = st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=5)


def test_text_that_fits_is_complete() -> None:
    assert join_sections([TITLE, TABLE], 10_000) == "title\n<table>\n" + "".join(TABLE.items) + "</table>\n"


def test_the_last_items_of_the_last_section_are_omitted_first() -> None:
    more = Section(("detail\n",) * 3, noun="detail")

    text = join_sections([TITLE, TABLE, more], 700)

    assert text.startswith("title\n<table>\nrow 0\nrow 1\n")
    assert "row 99" not in text
    assert "detail\n\n" not in text
    kept = text.count("\nrow ")
    assert f"</table>\n\n_{100 - kept} more rows not shown here._\n" in text
    assert text.endswith("\n_3 details not shown here._\n\n")


def test_fixed_sections_come_first_and_are_truncated() -> None:
    assert "critical\n" * 50 in join_sections([Section(("critical\n",) * 50), TABLE], 600)

    text = join_sections([Section(("critical\n",) * 50), TABLE], 200)
    assert len(text.encode()) <= 200
    assert text.startswith("critical\n" * 5)
    assert text.endswith(TRUNCATION_REMARK)


def test_a_lower_rank_gets_its_bytes_first() -> None:
    notes = Section(("note\n",) * 1000, noun="note", rank=1)
    risks = Section(("risk\n",) * 1000, noun="risk", max_bytes=500)

    text = join_sections([notes, risks, TABLE], 2_000)

    assert len(text.encode()) <= 2_000
    assert text.count("risk\n") == 100
    assert "row 99\n" in text
    assert 0 < text.count("note\n") < 200
    assert text.startswith("note\n")


def test_a_section_does_not_use_the_reserved_bytes_of_another_section() -> None:
    risks = Section(("risk\n",) * 1000, noun="risk")

    text = join_sections([risks, TABLE._replace(reserved=300)], 1_000)

    assert 250 < sum(len(line) + 1 for line in text.splitlines() if line.startswith("row ")) <= 300
    assert "risk\n" * 50 in text
    short = Section(("row\n",), noun="row", reserved=10_000)
    assert "risk\n" * 100 in join_sections([risks, short], 1_000)


@given(sizes, st.integers(min_value=600, max_value=2000))
def test_the_limit_is_kept_and_omitted_items_are_counted(sizes: list[list[int]], most: int) -> None:
    items = [[f"<{n}.{m}>{'é' * size}\n" for m, size in enumerate(some)] for n, some in enumerate(sizes)]
    parts = [Section(tuple(some), head="head\n", tail="tail\n", noun="row") for some in items]

    text = join_sections(parts, most)

    assert len(text.encode()) <= most
    shown = [item in text for some in items for item in some]
    assert shown == sorted(shown, reverse=True)  # the shown items are the first ones
    counts = [int(line.strip("_").split()[0]) for line in text.splitlines() if line.endswith("not shown here._")]
    assert sum(counts) == shown.count(False)
