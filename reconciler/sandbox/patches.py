"""Pure: what a PATCH does to a stored document."""

from collections.abc import Collection

from reconciler.sandbox.documents import Document
from reconciler.sandbox.incoming import invalid_body


def patched(document: Document, body: Document, *, fixed: Collection[str]) -> Document:
    """Return the document with each named attribute replaced whole; null takes it away (recorded for APIs).

    Raises:
        RefusalError: 400 `invalid_body`: the body names one of the `fixed` attributes.
    """
    if refused := [name for name in body if name in fixed]:
        raise invalid_body(f"'Additional properties not allowed: {','.join(refused)}'.")
    return without_nulls(document | body)


def without_nulls(document: Document) -> Document:
    """Return the document without the attributes that are null: the API answers none."""
    return {name: value for name, value in document.items() if value is not None}
