"""Checks of one's own set-up: a look at everything a run needs, and what is to be said about it."""
