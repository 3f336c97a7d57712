"""The command `reconciler` in the container image."""

from reconciler.cli.main import main

main()
