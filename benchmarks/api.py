"""A tenant in memory with the part of the Management API that the measured tools use.

Bodies, paging and statuses follow Auth0's documentation. The tenant does not validate request bodies, because the tools
send valid bodies. The sandbox validates request bodies.
"""

import base64
import json
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice

from benchmarks.tenants import (
    OWN_AUDIENCE,
    OWN_CLIENT_ID,
    OWN_SCOPES,
    Case,
    Grant,
    Json,
    apis,
    applications,
    wire_grant,
)

API = "/api/v2/"
MAX_PAGE_SIZE = 100
DEFAULT_PAGE_SIZE = 50
FILTERS = frozenset({"client_id", "audience", "subject_type"})

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request. `body` is parsed JSON, or empty if the request has no body."""

    method: str
    path: str
    query: Query
    body: Json


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP status and the JSON text of the response body."""

    status: int
    body: bytes = b""


def token(audience: str = OWN_AUDIENCE) -> str:
    """Return the access token of the benchmarks, an unsigned JWT."""
    claims = {"azp": OWN_CLIENT_ID, "aud": audience, "scope": " ".join(sorted(OWN_SCOPES)), "exp": 1 << 32}
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "unsigned"])


def error(status: int, reason: str, message: str) -> Response:
    """Return an error response in the API's form."""
    return Response(status, json.dumps({"statusCode": status, "error": reason, "message": message}).encode())


NOT_FOUND = error(404, "Not Found", "Not Found")


class Tenant:
    """A tenant in memory. The tenant stores each grant as JSON text. Listings are sorted by id."""

    def __init__(self, size: int, grants: Iterable[Grant]) -> None:
        self._applications = applications(size)
        self._application_texts = [_to_json(each) for each in self._applications]
        self._api_texts = [_to_json(each) for each in apis()]
        self._existing = {each["client_id"] for each in self._applications} | {each["identifier"] for each in apis()}
        self._numbers = count(1)
        self._grants: dict[str, Json] = {}
        self._texts: dict[str, bytes] = {}
        self._keys: set[tuple[object, object]] = set()
        self._ids: list[str] = []
        for grant in grants:
            self._add(wire_grant("", grant))

    @property
    def grants(self) -> list[Json]:
        """The current grants of the tenant, in the API's form."""
        return [self._grants[grant_id] for grant_id in self._ids]

    def respond(self, request: Request) -> Response:
        """Execute an authorized request and return the response."""
        collection, _, grant_id = request.path.removeprefix(API).partition("/")
        if request.method == "GET" and not grant_id:
            return self._list(collection, request.query)
        match request.method, collection, bool(grant_id):
            case "POST", "client-grants", False:
                return self._create(request.body)
            case "PATCH", "client-grants", True:
                return self._update(grant_id, request.body)
            case "DELETE", "client-grants", True:
                return self._delete(grant_id)
            case _:
                return NOT_FOUND

    def _list(self, collection: str, query: Query) -> Response:
        match collection:
            case "client-grants":
                return self._list_grants(query)
            case "clients":
                return self._list_applications(query)
            case "resource-servers":
                return _numbered_page(self._api_texts, "resource_servers", query)
            case _:
                return NOT_FOUND

    def _list_grants(self, query: Query) -> Response:
        filters = {name: value for name, value in query.items() if name in FILTERS}
        if "take" not in query and "from" not in query:
            selected = [self._texts[grant_id] for grant_id in self._select(self._ids, filters)]
            return _numbered_page(selected, "client_grants", query)
        take = min(int(query.get("take", DEFAULT_PAGE_SIZE)), MAX_PAGE_SIZE)
        start = bisect_right(self._ids, query.get("from", ""))
        page = list(islice(self._select(islice(self._ids, start, None), filters), take + 1))
        next_cursor = page[take - 1] if len(page) > take else None
        return _cursor_page([self._texts[grant_id] for grant_id in page[:take]], "client_grants", next_cursor)

    def _select(self, ids: Iterable[str], filters: Query) -> Iterator[str]:
        if not filters:
            return iter(ids)
        return (each for each in ids if all(self._grants[each].get(name) == value for name, value in filters.items()))

    def _list_applications(self, query: Query) -> Response:
        texts = self._application_texts
        if "take" not in query and "from" not in query:
            return _numbered_page(texts, "clients", query)
        take = min(int(query.get("take", DEFAULT_PAGE_SIZE)), MAX_PAGE_SIZE)
        start = int(query.get("from", 0))
        end = start + take
        page = texts[start:end]
        if "fields" in query:
            fields = query["fields"].split(",")
            page = [_to_json({name: each[name] for name in fields}) for each in self._applications[start:end]]
        return _cursor_page(page, "clients", str(end) if end < len(texts) else None)

    def _create(self, body: Json) -> Response:
        key = (body.get("client_id"), body.get("audience"))
        if missing := [each for each in key if each not in self._existing]:
            return error(404, "Not Found", f"No resource with identifier {missing[0]}")
        if key in self._keys:
            return error(409, "Conflict", f"A client grant already exists between {key[0]} and {key[1]}")
        return Response(201, self._texts[self._add({"subject_type": "client", **body})])

    def _update(self, grant_id: str, body: Json) -> Response:
        if grant_id not in self._grants:
            return error(404, "Not Found", "The grant does not exist.")
        self._grants[grant_id] |= body
        self._texts[grant_id] = _to_json(self._grants[grant_id])
        return Response(200, self._texts[grant_id])

    def _delete(self, grant_id: str) -> Response:
        deleted = self._grants.pop(grant_id, None)
        if deleted is not None:
            del self._texts[grant_id]
            self._keys.remove((deleted["client_id"], deleted["audience"]))
            del self._ids[bisect_right(self._ids, grant_id) - 1]
        return Response(204)

    def _add(self, grant: Json) -> str:
        grant_id = f"cgr_{next(self._numbers):016}"
        self._grants[grant_id] = grant | {"id": grant_id}
        self._texts[grant_id] = _to_json(self._grants[grant_id])
        self._keys.add((grant["client_id"], grant["audience"]))
        insort(self._ids, grant_id)
        return grant_id


def tenant_of(case: Case) -> Tenant:
    """Return the tenant of a case in its state before the tool runs."""
    return Tenant(case.size, case.before)


def _to_json(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _listing(texts: Iterable[bytes]) -> bytes:
    return b"[" + b",".join(texts) + b"]"


def _cursor_page(texts: Iterable[bytes], name: str, next_cursor: str | None) -> Response:
    next_page = f',"next":"{next_cursor}"'.encode() if next_cursor else b""
    return Response(200, b'{"%s":%s%s}' % (name.encode(), _listing(texts), next_page))


def _numbered_page(texts: list[bytes], name: str, query: Query) -> Response:
    limit = min(int(query.get("per_page", DEFAULT_PAGE_SIZE)), MAX_PAGE_SIZE)
    start = int(query.get("page", 0)) * limit
    page = _listing(texts[start : start + limit])
    if query.get("include_totals") != "true":
        return Response(200, page)
    head = f'{{"total":{len(texts)},"start":{start},"limit":{limit},"{name}":'
    return Response(200, head.encode() + page + b"}")
