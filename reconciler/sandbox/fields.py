"""Pure: the parameters `fields` and `include_fields`, by which a caller chooses the attributes of an answer."""

from reconciler.sandbox.documents import Document, project
from reconciler.sandbox.exchange import ApiCall


def shown_fields(call: ApiCall, document: Document) -> Document:
    """Return `document` with the attributes that the query asks for, all of them where it names none."""
    names = frozenset(name.strip() for name in call.query.get("fields", "").split(",")) - {""}
    if not names:
        return document
    return project(document, names, include=call.query.get("include_fields", True))
