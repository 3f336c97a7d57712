"""Run `python -m reconciler`: the command line, without modules of the current folder."""

import os
import sys


def leave_out_current_folder() -> None:
    """Remove the current folder from the module search path. `python -m` adds it."""
    current_folder = os.path.realpath(".")
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != current_folder]


if __name__ == "__main__":
    leave_out_current_folder()  # before any import that a file in the current folder could replace

from reconciler.cli.main import main  # noqa: E402 - after the search path was corrected

if __name__ == "__main__":
    main()
