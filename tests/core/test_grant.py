from reconciler.core.grant import shared_set


def test_equal_scope_sets_share_one_object() -> None:
    assert shared_set(("a", "bc")) is shared_set(("".join("bc"), "a")) is not shared_set(("a",))
