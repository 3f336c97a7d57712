from reconciler.core.risks import RULES
from reconciler.output.styled import plain
from reconciler.output.text.plan import rule_lines


def test_the_rules_fit_into_80_columns_and_say_their_whole_meaning() -> None:
    text = plain(rule_lines(RULES))

    assert max(map(len, text.splitlines())) <= 80
    for rule in RULES:
        assert f"  {rule.name} " in text
        assert set(rule.meaning.split()) <= set(text.split())


def test_a_meaning_goes_on_below_its_beginning() -> None:
    first, second, *_ = plain(rule_lines(RULES)).splitlines()

    meaning = first.index("scopes")
    assert second[:meaning].isspace()
    assert second[meaning] != " "
