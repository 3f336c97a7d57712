import pytest
from hypothesis import given
from support.odd_tenants import odd_texts

from reconciler.core.import_selection import MAX_STEM_LENGTH, UniqueNames, file_stem


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
        ("a" * 300, "a" * MAX_STEM_LENGTH),
        ("日本", "tpc-7ledgerly"),
        ("", "tpc-7ledgerly"),
    ],
)
def test_a_name_becomes_a_portable_file_name(name: str, file: str) -> None:
    assert file_stem(name, "tpc_7Ledgerly") == file


def test_a_file_has_a_default_name_if_name_and_id_have_no_usable_character() -> None:
    assert file_stem("日本", "///") == "application"


def test_unique_names_differ_in_more_than_case() -> None:
    free = UniqueNames(["Billing", "BILLING-3"])

    assert [free("billing"), free("billing"), free("billing-2"), free("other")] == [
        "billing-2",
        "billing-4",
        "billing-2-2",
        "other",
    ]


@given(odd_texts)
def test_a_file_name_has_only_letters_digits_and_hyphens_and_is_stable(name: str) -> None:
    made = file_stem(name, "id")

    assert made
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert made[0] != "-" != made[-1]
    assert file_stem(made) == made
