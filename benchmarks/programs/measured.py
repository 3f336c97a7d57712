"""Run a command, and print its status, wall time, CPU time and peak memory as JSON.

    python -I -S measured.py SECONDS OUTPUT COMMAND …

The program is small and loads no site packages, because the kernel includes the size of the parent process in the peak
of a new process. CPU time and peak memory include child processes that the command waits for.
"""

import json
import os
import signal
import sys
import time


def main() -> None:
    """Run the command for at most SECONDS, and write its output to the file OUTPUT."""
    limit, output, *command = sys.argv[1:]
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    streams = [(os.POSIX_SPAWN_DUP2, file, 1), (os.POSIX_SPAWN_DUP2, file, 2)]
    started = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ, file_actions=streams, setpgroup=0)
    for end in (signal.SIGALRM, signal.SIGINT, signal.SIGTERM):
        signal.signal(end, lambda *_: os.killpg(child, signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, float(limit))
    _, status, usage = os.wait4(child, 0)
    took = {
        "status": os.waitstatus_to_exitcode(status),
        "wall": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * 1024 / 1e6,
    }
    print(json.dumps(took))


if __name__ == "__main__":
    main()
