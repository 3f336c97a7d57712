"""Stand-ins for the APIs of GitHub and GitLab on loopback: they keep comments and issues, and fail when told to."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "canary-token-that-nobody-should-see"
US = 1
STRANGER = 2
NUMBER = 7
RUN = "4711"
OWNER, NAME = "example", "grants"


@dataclass(slots=True)
class Written:
    """A comment or an issue; what does not exist on a comment stays at its default."""

    id: int
    author: int
    body: str
    title: str = ""
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """An answer."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for; `name` is GraphQL's operation, or method and path."""

    name: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def reads(self) -> bool:
        return self.name.startswith("GET ") or self.name in {"comments", "issues", "tip"}


Fault = Callable[[Request, Callable[[], Said]], Said | None]
"""Answers instead, perhaps after the true answer was made; None breaks the connection."""


class Forge:
    """What both have: comments, issues, and faults that strike one request each, first come first."""

    def __init__(self) -> None:
        self.url = ""
        self.comments: list[Written] = []
        self.issues: list[Written] = []
        self.branches: dict[str, str] = {}
        self.asked: list[str] = []
        self.faults: list[Fault] = []
        self._last = 100

    def says(self, body: str, author: int = US, **more: Any) -> Written:
        """Return a new entry, to be put where it belongs."""
        self._last += 1
        return Written(self._last, author, body, **more)

    def bodies(self) -> list[str]:
        return [each.body for each in self.comments]

    def writes(self) -> list[str]:
        return [each for each in self.asked if not (each.startswith("GET ") or each in {"comments", "issues", "tip"})]

    def environment(self) -> dict[str, str]:
        """What the runner gives to a job."""
        raise NotImplementedError

    def answer(self, request: Request) -> Said:
        raise NotImplementedError


class GitHub(Forge):
    """GitHub's GraphQL API, as much of it as is used."""

    def environment(self) -> dict[str, str]:
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_GRAPHQL_URL": f"{self.url}/graphql",
            "GITHUB_REPOSITORY": f"{OWNER}/{NAME}",
            "GITHUB_RUN_ID": RUN,
            "GITHUB_TOKEN": TOKEN,
        }

    def answer(self, request: Request) -> Said:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Said(401, {"message": "Bad credentials"})
        given = request.body["variables"]
        match request.name:
            case "comments":
                if (given["owner"], given["name"], given["number"]) != (OWNER, NAME, NUMBER):
                    return Said(body={"data": None, "errors": [{"type": "NOT_FOUND", "message": "No such request."}]})
                return Said(body={"data": {"repository": {"owner": _listing("PR", self.comments, given["after"])}}})
            case "tip" | "issues":
                return Said(body={"data": self._looked_up(request.name, given)})
            case "addComment":
                self.comments.append(self.says(given["body"]))
            case "editComment":
                _find(self.comments, given["id"]).body = given["body"]
            case "addIssue":
                self.issues.append(self.says(given["body"], title=given["title"]))
            case "editIssue":
                issue = _find(self.issues, given["id"])
                issue.body, issue.is_open = given["body"], given["state"] == "OPEN"
            case _:
                return Said(body={"errors": [{"type": "UNKNOWN", "message": f"no operation {request.name}"}]})
        return Said(body={"data": {request.name: {"clientMutationId": None}}})

    def _looked_up(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        if name == "tip":
            branch = self.branches.get(given["ref"].removeprefix("refs/heads/"))
            return {"repository": {"ref": {"target": {"oid": branch}} if branch else None}}
        still_open = [each for each in self.issues if each.is_open]
        return {"owner": _listing("R", still_open, given["after"])}


def _listing(owner: str, entries: list[Written], after: str | None) -> dict[str, Any]:
    start = int(after or 0)
    page = entries[start : start + 50]
    end = start + len(page)
    nodes = [{"id": f"N{each.id}", "body": each.body, "viewerDidAuthor": each.author == US} for each in page]
    return {
        "id": owner,
        "listing": {"nodes": nodes, "pageInfo": {"hasNextPage": end < len(entries), "endCursor": str(end)}},
    }


class GitLab(Forge):
    """GitLab's REST API, as much of it as is used."""

    def environment(self) -> dict[str, str]:
        return {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{self.url}/api/v4",
            "CI_PIPELINE_ID": RUN,
            "CI_PROJECT_ID": "42",
            "CI_MERGE_REQUEST_IID": str(NUMBER),
            "GITLAB_TOKEN": TOKEN,
        }

    def answer(self, request: Request) -> Said:
        if request.headers.get("private-token") != TOKEN:
            return Said(401, {"message": "401 Unauthorized"})
        notes, issues = f"/api/v4/projects/42/merge_requests/{NUMBER}/notes", "/api/v4/projects/42/issues"
        method, path = request.name.split(" ")
        if (method, path) == ("GET", "/api/v4/user"):
            return Said(body={"id": US})
        if path.startswith("/api/v4/projects/42/repository/branches/"):
            branch = self.branches.get(unquote(path.rpartition("/")[2]))
            found = Said(body={"commit": {"id": branch}})
            return found if branch else Said(404, {"message": "404 Branch Not Found"})
        collection, entry = _split(path, (notes, issues))
        if collection == notes:
            return self._answer_notes(method, entry, request)
        return self._answer_issues(method, entry, request) if collection else Said(404, {"message": "404 Not Found"})

    def _answer_notes(self, method: str, entry: str, request: Request) -> Said:
        match method:
            case "GET":
                return self._page(request, [self._note(each) for each in self.comments])
            case "POST":
                self.comments.append(self.says(request.body["body"]))
            case "PUT":
                _find(self.comments, entry).body = request.body["body"]
            case _:
                return Said(405)
        return Said(201, {})

    def _answer_issues(self, method: str, entry: str, request: Request) -> Said:
        match method:
            case "GET":
                wanted = [each for each in self.issues if each.is_open or request.query.get("state") != "opened"]
                return self._page(request, [self._issue(each) for each in wanted])
            case "POST":
                self.issues.append(self.says(request.body["description"], title=request.body["title"]))
            case "PUT":
                issue = _find(self.issues, entry)
                issue.body, issue.is_open = request.body["description"], request.body.get("state_event") != "close"
            case _:
                return Said(405)
        return Said(201, {})

    @staticmethod
    def _note(written: Written) -> dict[str, Any]:
        return {"id": written.id, "body": written.body, "author": {"id": written.author}}

    @staticmethod
    def _issue(written: Written) -> dict[str, Any]:
        return {"id": 9_000_000, "iid": written.id, "description": written.body, "author": {"id": written.author}}

    def _page(self, request: Request, items: list[dict[str, Any]]) -> Said:
        if request.query.get("sort", "desc") == "desc":
            items.reverse()
        size, number = int(request.query["per_page"]), int(request.query["page"])
        more = len(items) > size * number
        headers = {"Link": f'<{self.url}/elsewhere?page={number + 1}>; rel="next"'} if more else {}
        return Said(200, items[size * (number - 1) : size * number], headers)


def _split(path: str, collections: tuple[str, ...]) -> tuple[str, str]:
    """Return the collection that `path` is in, and the entry of it that it names."""
    found = next((each for each in collections if path == each or path.startswith(f"{each}/")), "")
    return found, path.removeprefix(found).removeprefix("/")


def _find(entries: list[Written], entry_id: str) -> Written:
    return next(each for each in entries if str(each.id) == entry_id.removeprefix("N"))


@contextmanager
def standing_in(forge: Forge) -> Iterator[None]:
    """Serve a stand-in on loopback; its `url` is set, and its environment leads there."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        do_POST = do_PUT = do_GET  # noqa: N815 - the server's own names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the server's own names
            """Say nothing."""

        def _serve(self) -> None:
            request = self._request()
            forge.asked.append(request.name)
            fault = forge.faults.pop(0) if forge.faults else None
            said = fault(request, lambda: forge.answer(request)) if fault else forge.answer(request)
            self.close_connection = True
            if said is None:
                return
            content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {**said.headers, "Content-Length": str(len(content)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def _request(self) -> Request:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length)) if length else {}
            operation = re.search(r"(?:query|mutation) (\w+)", str(body.get("query", "")))
            name = operation[1] if operation else f"{self.command} {parts.path}"
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            return Request(name, headers, query, body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
