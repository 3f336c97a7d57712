import asyncio

from reconciler.tasks import run_by


class Result:
    def __repr__(self) -> str:
        raise AssertionError("a hundred thousand grants are written out")


async def work() -> Result:
    return Result()


def test_the_result_of_a_run_is_never_written_out() -> None:
    with asyncio.Runner() as runner:
        assert isinstance(run_by(runner, work()), Result)
