"""When garbage is looked for: not among what stays to the end anyway."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS_BETWEEN_COLLECTIONS = 1_000_000
"""Python looks every 700; where nearly all stays, it would look at the same objects again and again."""


def look_seldom() -> None:
    """Let garbage wait for this process to have more of it: a run is short, and its end gives all back at once."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    atexit.register(gc.freeze)  # Python would go through it all once more


@contextmanager
def kept() -> Iterator[None]:
    """Look for no garbage meanwhile, nor later among what is made meanwhile: it stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
