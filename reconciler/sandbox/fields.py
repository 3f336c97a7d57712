"""Pure: the parameters `fields` and `include_fields`, by which a caller chooses the attributes of an answer."""

from reconciler.sandbox.documents import Document, Schema, project
from reconciler.sandbox.exchange import Call

FIELDS_QUERY: dict[str, Schema] = {
    "fields": {
        "type": "string",
        "description": "Names of attributes, separated by commas; without any, all are answered.",
    },
    "include_fields": {
        "type": "boolean",
        "description": "True to answer the named attributes only, false to leave them out.",
    },
}


def shown_fields(call: Call, document: Document) -> Document:
    """Return `document` with the attributes that the query asks for, all of them where it names none."""
    names = frozenset(name.strip() for name in call.query.get("fields", "").split(",")) - {""}
    if not names:
        return document
    return project(document, names, include=call.query.get("include_fields", True))
