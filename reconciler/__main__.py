"""The entry point of `python -m reconciler` and of the command `reconciler`."""

import os
import sys

EXIT_INTERRUPTED = 130
"""The value of `Exit.INTERRUPTED`, repeated here because Ctrl-C may interrupt the import of `reconciler.errors`."""


def start() -> None:
    """Run the command in `sys.argv` and exit. If Ctrl-C interrupts the command or a Python import, print a message."""
    try:
        from reconciler.cli.main import main  # noqa: PLC0415 - the import takes time, and Ctrl-C can interrupt it

        main()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(EXIT_INTERRUPTED)


def leave_out_current_folder() -> None:
    """Remove the current folder, which `python -m` adds, from the module search path."""
    current_folder = os.path.realpath(".")
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != current_folder]


if __name__ == "__main__":
    leave_out_current_folder()  # call before the imports, because an import could load a module from the current folder
    start()
