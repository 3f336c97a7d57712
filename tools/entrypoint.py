"""The command `reconciler` in the container image."""

from reconciler.__main__ import start

start()
