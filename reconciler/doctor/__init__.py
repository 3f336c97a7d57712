"""Checks of the setup: probe everything that a run needs, and report findings."""
