from collections.abc import Iterator

import pytest
from support.builders import INVOICES, a_directory, a_key, an_api

from reconciler.core.directory import Directory
from reconciler.core.pattern import Pattern
from reconciler.core.policy import MAX_REPORTED, ConfigItem, find_unmatched

NAMES = a_directory({"crm": "CRM", "billing": "Billing Worker"}, [an_api()])
KEYS = (a_key("crm"), a_key("billing"))


def reported(*patterns: Pattern, directory: Directory = NAMES) -> Iterator[str]:
    return find_unmatched([ConfigItem("protect", each) for each in patterns], KEYS, directory)


@pytest.mark.parametrize(
    ("pattern", "end"),
    [
        (Pattern(client="CMR"), 'client "CMR"; did you mean "CRM"?'),
        (Pattern(client="Biling *"), 'client "Biling *"; did you mean "Billing Worker"?'),
        (Pattern(client_id="bil1ing"), 'client_id "bil1ing"; did you mean "billing"?'),
        (Pattern(audience=f"{INVOICES}/"), f'audience "{INVOICES}/"; did you mean "{INVOICES}"?'),
        (Pattern(subject_type="user"), 'subject_type "user"; compare with the names in the tenant'),
        (Pattern(client="CRM", client_id="billing"), 'client_id "billing"; compare with the names in the tenant'),
    ],
    ids=str,
)
def test_an_item_that_matches_no_grant_is_reported_with_a_suggestion(pattern: Pattern, end: str) -> None:
    (sentence,) = reported(pattern)

    assert sentence.startswith("protect matches no grant: ")
    assert sentence.endswith(end)


def test_an_item_in_another_normalization_is_explained() -> None:
    names = a_directory({"crm": "M\u00fcller Dienst", "billing": "Billing"}, [an_api()])

    for pattern in ("Mu\u0308ller Dienst", "Mu\u0308ller *", "*u\u0308ller*"):
        (sentence,) = reported(Pattern(client=pattern), directory=names)
        assert sentence.endswith(
            r'only in Unicode normalization; write "M\xfcller Dienst", including the double quotes'
        )


@pytest.mark.parametrize(
    "pattern", [Pattern(), Pattern(client="C*"), Pattern(client_id="crm", audience=INVOICES)], ids=str
)
def test_an_item_that_matches_is_not_reported(pattern: Pattern) -> None:
    assert list(reported(pattern)) == []


def test_an_item_that_may_match_an_unknown_name_is_not_reported() -> None:
    assert list(reported(Pattern(client="CMR"), directory=Directory())) == []


def test_many_items_are_counted() -> None:
    sentences = list(reported(*(Pattern(client_id=f"x{number}") for number in range(MAX_REPORTED + 7))))

    assert len(sentences) == MAX_REPORTED + 1
    assert sentences[-1] == "7 more items of reconciler.yaml match no grant"
