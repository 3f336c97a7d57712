import subprocess
import sys
from textwrap import dedent

PROGRAM = dedent("""
    import asyncio
    from reconciler.concurrency import run_in

    class Result:
        def __repr__(self):
            print("written out")
            return "a hundred thousand grants"

    async def work():
        return Result()

    with asyncio.Runner() as runner:
        print(type(run_in(runner, work())).__name__)
""")


def test_the_result_of_a_run_is_not_formatted() -> None:
    """This runs in a separate process, because the runner restores a signal handler only in the main thread."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "Result\n"
