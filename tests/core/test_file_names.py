import pytest
from hypothesis import given
from support.nasty import texts

from reconciler.core.import_selection import LONGEST_STEM, UniqueNames, stem


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Billing Worker", "billing-worker"),
        ("Überweisung (neu)", "uberweisung-neu"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("CON", "con-application"),
        ("com¹", "com1-application"),
        ("LPT9", "lpt9-application"),
        ("a" * 300, "a" * LONGEST_STEM),
        ("日本", "tpc-7ledgerly"),
        ("", "tpc-7ledgerly"),
    ],
)
def test_a_name_becomes_what_every_file_system_takes(name: str, file: str) -> None:
    assert stem(name, "tpc_7Ledgerly") == file


def test_where_nothing_is_left_of_name_and_id_there_is_still_a_name() -> None:
    assert stem("日本", "///") == "application"


def test_a_name_is_given_once_whatever_the_case() -> None:
    free = UniqueNames(["Billing", "BILLING-3"])

    assert [free("billing"), free("billing"), free("billing-2"), free("other")] == [
        "billing-2",
        "billing-4",
        "billing-2-2",
        "other",
    ]


@given(texts)
def test_a_name_has_letters_digits_and_hyphens_only_and_always_gives_the_same(name: str) -> None:
    made = stem(name, "id")

    assert made
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert made[0] != "-" != made[-1]
    assert stem(made) == made
