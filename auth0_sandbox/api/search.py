"""Answer the search endpoints: filters in SCIM or Lucene syntax, sorting, and paging by checkpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from auth0_sandbox.requests import paging
from auth0_sandbox.requests.calls import ApiCall
from auth0_sandbox.requests.incoming import invalid_query
from auth0_sandbox.requests.responses import RefusalError, SandboxResponse
from auth0_sandbox.search.conditions import SearchFields, condition_of
from auth0_sandbox.search.expressions import UnsupportedQueryError
from auth0_sandbox.store.database import DocumentKind, Row
from auth0_sandbox.store.documents import Document, dump
from auth0_sandbox.store.queries import BY_CREATION, Filters, Order

DEFAULT_PARSER = "lucene"


def as_document(row: Row) -> Document:
    """Return the stored document of a row."""
    return row.document()


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search endpoint: the kind of documents, the search fields, the SQL of the sort keys, and the attributes."""

    kind: DocumentKind
    fields: SearchFields
    sort: Mapping[str, str]
    show: Callable[[Row], Document] = as_document


def answer_search(call: ApiCall, search: Search) -> SandboxResponse:
    """Return a page of matching documents. The default order is the order of creation.

    Raises:
        RefusalError: 400 for an unsupported query. The message contains the unsupported part.
    """
    key = call.query.get("sort")
    listing = paging.DocumentList(
        kind=search.kind,
        filters=search_filters(call, search.fields, call.query.get("parser", DEFAULT_PARSER)),
        show=lambda row: dump(call.shown_fields(search.show(row))),
        order=BY_CREATION if key is None else Order((search.sort[key], "rowid")),
    )
    return paging.answer_checkpoint(call, listing)


def search_filters(call: ApiCall, fields: SearchFields, parser: str) -> Filters:
    """Return the filters for the query `q`, or no filters without a query."""
    text = call.query.get("q", "")
    try:
        return {"matching": condition_of(text, parser, fields)} if text.strip() else {}
    except UnsupportedQueryError as error:
        raise unsupported(f"The query is not supported: {error}") from error


def unsupported(reason: str) -> RefusalError:
    """Return the 400 response for an unsupported query. This project wrote the message."""
    return invalid_query(f"'{reason}' on property q.")
