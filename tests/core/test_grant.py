from reconciler.core.grant import set_of


def test_equal_sets_are_one_whatever_their_order_or_where_their_texts_come_from() -> None:
    assert set_of(("a", "bc")) is set_of(("".join("bc"), "a")) is not set_of(("a",))
