"""Run the command line as `python -m reconciler`, without importing modules from the current folder."""

import os
import sys


def leave_out_current_folder() -> None:
    """Remove the current folder, which `python -m` adds, from the module search path."""
    current_folder = os.path.realpath(".")
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != current_folder]


if __name__ == "__main__":
    leave_out_current_folder()  # call before the imports, because an import could load a module from the current folder

from reconciler.cli.main import main  # noqa: E402 - the import must follow the correction of the search path

if __name__ == "__main__":
    main()
