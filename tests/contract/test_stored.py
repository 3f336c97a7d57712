from reconciler.contract import stored


def test_every_schema_file_can_be_loaded() -> None:
    for name in (stored.OPENAPI, stored.GRANTS, stored.CONFIG):
        assert stored.load(name)


def test_a_schema_file_is_read_once() -> None:
    assert stored.load(stored.GRANTS) is stored.load(stored.GRANTS)
