"""Pure: the second line of a report, which names the run that wrote it."""

from reconciler.render.hypertext import MARKED

BEGINNING = f"<!-- {MARKED}:"


def stamped(text: str, run: str) -> str:
    """Return the text of a report with the number of the run in the second line; without a number, the same text."""
    marker, separator, rest = text.partition("\n")
    return f"{marker}\n<!-- run {run} -->{separator}{rest}" if run and marker.startswith(BEGINNING) else text
