from reconciler.core.risks import RULES
from reconciler.output.styled import plain
from reconciler.output.text.plan import rule_lines


def test_the_rules_fit_into_80_columns_without_truncation() -> None:
    text = plain(rule_lines(RULES))

    assert max(map(len, text.splitlines())) <= 80
    for rule in RULES:
        assert f"  {rule.name} " in text
        assert set(rule.meaning.split()) <= set(text.split())


def test_a_long_description_continues_at_the_same_column() -> None:
    first, second, *_ = plain(rule_lines(RULES)).splitlines()

    meaning = first.index("scopes")
    assert second[:meaning].isspace()
    assert second[meaning] != " "
