"""Apply a PATCH to a stored document."""

from collections.abc import Collection

from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.incoming import invalid_body
from auth0_sandbox.store.documents import Document, project


def patched(document: Document, body: Document, *, fixed: Collection[str]) -> Document:
    """Return the document with the attributes in `body` replaced. null removes an attribute (recorded for APIs).

    Raises:
        RefusalError: 400 `invalid_body` if the body contains an attribute in `fixed`.
    """
    if refused := [name for name in body if name in fixed]:
        raise invalid_body(f"'Additional properties not allowed: {','.join(refused)}'.")
    return without_nulls(document | body)


def without_nulls(document: Document) -> Document:
    """Return the document without null attributes, because the API never returns null attributes."""
    return {name: value for name, value in document.items() if value is not None}


def shown_fields(call: ApiCall, document: Document) -> Document:
    """Return `document` with only the requested attributes. The default is all attributes."""
    names = frozenset(name.strip() for name in call.query.get("fields", "").split(",")) - {""}
    if not names:
        return document
    return project(document, names, include=call.query.get("include_fields", True))
