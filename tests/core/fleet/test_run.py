import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.fleet.run import Shard, files_digest


@given(names=st.lists(st.text(min_size=1), unique=True, max_size=30), count=st.integers(1, 40))
def test_the_shards_divide_the_sorted_names(names: list[str], count: int) -> None:
    parts = [Shard(index, count).part(names) for index in range(count)]

    assert sorted(name for part in parts for name in part) == sorted(names)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert parts == [Shard(index, count).part(reversed(names)) for index in range(count)]


@pytest.mark.parametrize(
    ("text", "shard"), [("0/1", Shard(0, 1)), ("3/4", Shard(3, 4)), ("0/500000", Shard(0, 500000))]
)
def test_a_shard_is_parsed(text: str, shard: Shard) -> None:
    assert Shard.parse(text) == shard
    assert str(shard) == text


@pytest.mark.parametrize(
    "text",
    ["", "4", "/4", "1/", "-1/4", "+1/4", "1/-4", "1.0/4", "1 / 4", "1/4 ", "1/4/2", "٣/٤", "0x1/4", "1/9999999"],
)
def test_other_texts_are_not_shards(text: str) -> None:
    with pytest.raises(ValueError, match="write 0/4"):
        Shard.parse(text)


@pytest.mark.parametrize(
    ("text", "advice"), [("4/4", "subtract 1 from an index that starts at 1"), ("0/0", "at least 1")]
)
def test_a_part_that_does_not_exist_is_refused(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        Shard.parse(text)


def test_the_digest_does_not_depend_on_the_order_but_on_each_file() -> None:
    assert files_digest([b"a", b"b"]) == files_digest([b"b", b"a"])
    assert len({files_digest(each) for each in ([b"a", b"b"], [b"ab"], [b"a"], [], [b""], [b"a", b"a"])}) == 6
