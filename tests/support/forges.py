"""Local servers with the parts of the APIs of GitHub, GitLab, Azure DevOps and Bitbucket that reconciler uses.

They store comments and issues, and can fail on request.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from reconciler.forge.job import Job

TOKEN = "canary-token-that-nobody-should-see"
OWN_USER = 1
OTHER_USER = 2
NUMBER = 7
RUN = "4711"
OWNER, NAME = "example", "grants"


READS = {"comments", "issues", "tip", "merged"}
"""The queries of GraphQL."""


@dataclass(slots=True)
class Entry:
    """A comment or an issue. Comments have only an id, an author and a body."""

    id: int
    author: int
    body: str
    title: str = ""
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class ForgeResponse:
    """A response."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `name` is the GraphQL operation, or the method and the path."""

    name: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def reads(self) -> bool:
        return self.name.startswith("GET ") or self.name in READS


Fault = Callable[[Request, Callable[[], ForgeResponse]], ForgeResponse | None]
"""Responds instead of the server, before or after the request takes effect. None breaks the connection."""


class Forge:
    """The common part: comments, issues, and a queue of faults. Each fault applies to one request."""

    def __init__(self) -> None:
        self.url = ""
        self.comments: list[Entry] = []
        self.issues: list[Entry] = []
        self.branches: dict[str, str] = {}
        self.merged: dict[str, int] = {}
        """The numbers of merged requests by the commit that their merge created."""
        self.requests: list[str] = []
        self.faults: list[Fault] = []
        self._last = 100

    def new_entry(self, body: str, author: int = OWN_USER, **more: Any) -> Entry:
        """Return a new entry. The caller adds it to the comments or issues."""
        self._last += 1
        return Entry(self._last, author, body, **more)

    def bodies(self) -> list[str]:
        return [each.body for each in self.comments]

    def writes(self) -> list[str]:
        return [
            each
            for each in self.requests
            if not (each.startswith("GET ") or each.endswith("/pullrequestquery") or each in READS)
        ]

    def environment(self) -> dict[str, str]:
        """Return the variables that the runner sets for a job."""
        raise NotImplementedError

    def respond(self, request: Request) -> ForgeResponse:
        raise NotImplementedError


class GitHub(Forge):
    """The parts of GitHub's GraphQL API that reconciler uses."""

    def environment(self) -> dict[str, str]:
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_GRAPHQL_URL": f"{self.url}/graphql",
            "GITHUB_REPOSITORY": f"{OWNER}/{NAME}",
            "GITHUB_RUN_ID": RUN,
            "GITHUB_TOKEN": TOKEN,
        }

    def respond(self, request: Request) -> ForgeResponse:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return ForgeResponse(401, {"message": "Bad credentials"})
        variables = request.body["variables"]
        match request.name:
            case "comments":
                if (variables["owner"], variables["name"], variables["number"]) != (OWNER, NAME, NUMBER):
                    return ForgeResponse(
                        body={"data": None, "errors": [{"type": "NOT_FOUND", "message": "No such request."}]}
                    )
                return ForgeResponse(
                    body={"data": {"repository": {"owner": _listing("PR", self.comments, variables["after"])}}}
                )
            case "tip" | "issues" | "merged":
                return ForgeResponse(body={"data": self._look_up(request.name, variables)})
            case "addComment":
                self.comments.append(self.new_entry(variables["body"]))
            case "editComment":
                _find(self.comments, variables["id"]).body = variables["body"]
            case "addIssue":
                self.issues.append(self.new_entry(variables["body"], title=variables["title"]))
            case "editIssue":
                issue = _find(self.issues, variables["id"])
                issue.body, issue.is_open = variables["body"], variables["state"] == "OPEN"
            case _:
                return ForgeResponse(body={"errors": [{"type": "UNKNOWN", "message": f"no operation {request.name}"}]})
        return ForgeResponse(body={"data": {request.name: {"clientMutationId": None}}})

    def _look_up(self, name: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        if name == "tip":
            branch = self.branches.get(variables["ref"].removeprefix("refs/heads/"))
            return {"repository": {"ref": {"target": {"oid": branch}} if branch else None}}
        if name == "merged":
            return {"repository": {"object": {"associatedPullRequests": {"nodes": self._requests_of(variables)}}}}
        still_open = [each for each in self.issues if each.is_open]
        return {"owner": _listing("R", still_open, variables["after"])}

    def _requests_of(self, variables: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return requests that contain a commit: of a fork, not merged, merged earlier, and the searched one."""
        commit = variables["commit"]
        found: list[dict[str, Any]]
        own, fork = {"nameWithOwner": f"{OWNER.upper()}/{NAME}"}, {"nameWithOwner": f"fork/{NAME}"}
        found = [
            {"number": 1, "merged": True, "mergeCommit": {"oid": commit}, "repository": fork},
            {"number": 2, "merged": False, "mergeCommit": None, "repository": own},
            {"number": 3, "merged": True, "mergeCommit": {"oid": "f" * 40}, "repository": own},
        ]
        if commit in self.merged:
            found.append(
                {"number": self.merged[commit], "merged": True, "mergeCommit": {"oid": commit}, "repository": own}
            )
        return found


def _listing(owner: str, entries: list[Entry], after: str | None) -> dict[str, Any]:
    start = int(after or 0)
    page = entries[start : start + 50]
    end = start + len(page)
    nodes = [{"id": f"N{each.id}", "body": each.body, "viewerDidAuthor": each.author == OWN_USER} for each in page]
    return {
        "id": owner,
        "listing": {"nodes": nodes, "pageInfo": {"hasNextPage": end < len(entries), "endCursor": str(end)}},
    }


class GitLab(Forge):
    """The parts of GitLab's REST API that reconciler uses."""

    def environment(self) -> dict[str, str]:
        return {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{self.url}/api/v4",
            "CI_PIPELINE_ID": RUN,
            "CI_PROJECT_ID": "42",
            "CI_MERGE_REQUEST_IID": str(NUMBER),
            "GITLAB_TOKEN": TOKEN,
        }

    def respond(self, request: Request) -> ForgeResponse:
        if request.headers.get("private-token") != TOKEN:
            return ForgeResponse(401, {"message": "401 Unauthorized"})
        notes, issues = f"/api/v4/projects/42/merge_requests/{NUMBER}/notes", "/api/v4/projects/42/issues"
        method, path = request.name.split(" ")
        if (method, path) == ("GET", "/api/v4/user"):
            return ForgeResponse(body={"id": OWN_USER})
        if path.startswith("/api/v4/projects/42/repository/branches/"):
            branch = self.branches.get(unquote(path.rpartition("/")[2]))
            found = ForgeResponse(body={"commit": {"id": branch}})
            return found if branch else ForgeResponse(404, {"message": "404 Branch Not Found"})
        if path.endswith("/merge_requests"):
            commit = path.split("/")[-2]
            other: dict[str, Any] = {"iid": 3, "merge_commit_sha": "f" * 40, "squash_commit_sha": None, "sha": "e" * 40}
            mine: dict[str, Any] = {
                "iid": self.merged.get(commit),
                "merge_commit_sha": None,
                "squash_commit_sha": commit,
            }
            merged = [other, mine] if commit in self.merged else [other]
            opened = {"state": "opened", "iid": 2, "sha": commit}
            return ForgeResponse(body=[opened, *({"state": "merged", **each} for each in merged)])
        collection, entry = _split(path, (notes, issues))
        if collection == notes:
            return self._answer_notes(method, entry, request)
        return (
            self._answer_issues(method, entry, request)
            if collection
            else ForgeResponse(404, {"message": "404 Not Found"})
        )

    def _answer_notes(self, method: str, entry: str, request: Request) -> ForgeResponse:
        match method:
            case "GET":
                return self._page(request, [self._note(each) for each in self.comments])
            case "POST":
                self.comments.append(self.new_entry(request.body["body"]))
            case "PUT":
                _find(self.comments, entry).body = request.body["body"]
            case _:
                return ForgeResponse(405)
        return ForgeResponse(201, {})

    def _answer_issues(self, method: str, entry: str, request: Request) -> ForgeResponse:
        match method:
            case "GET":
                selected = [each for each in self.issues if each.is_open or request.query.get("state") != "opened"]
                return self._page(request, [self._issue(each) for each in selected])
            case "POST":
                self.issues.append(self.new_entry(request.body["description"], title=request.body["title"]))
            case "PUT":
                issue = _find(self.issues, entry)
                issue.body, issue.is_open = request.body["description"], request.body.get("state_event") != "close"
            case _:
                return ForgeResponse(405)
        return ForgeResponse(201, {})

    @staticmethod
    def _note(written: Entry) -> dict[str, Any]:
        return {"id": written.id, "body": written.body, "author": {"id": written.author}}

    @staticmethod
    def _issue(written: Entry) -> dict[str, Any]:
        return {"id": 9_000_000, "iid": written.id, "description": written.body, "author": {"id": written.author}}

    def _page(self, request: Request, items: list[dict[str, Any]]) -> ForgeResponse:
        if request.query.get("sort", "desc") == "desc":
            items.reverse()
        size, number = int(request.query["per_page"]), int(request.query["page"])
        more = len(items) > size * number
        headers = {"Link": f'<{self.url}/elsewhere?page={number + 1}>; rel="next"'} if more else {}
        return ForgeResponse(200, items[size * (number - 1) : size * number], headers)


class Azure(Forge):
    """The parts of the REST API 7.1 of Azure DevOps that reconciler uses. Each comment has a thread.

    Source: https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-request-threads
    """

    REPOSITORY = "/org/my%20project/_apis/git/repositories/grants"

    def environment(self) -> dict[str, str]:
        return {
            "TF_BUILD": "True",
            "SYSTEM_COLLECTIONURI": f"{self.url}/org/",
            "SYSTEM_TEAMPROJECTID": "my project",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": str(NUMBER),
            "BUILD_REPOSITORY_ID": "grants",
            "BUILD_REPOSITORY_PROVIDER": "TfsGit",
            "BUILD_BUILDID": RUN,
            "AZURE_DEVOPS_TOKEN": TOKEN,
        }

    def respond(self, request: Request) -> ForgeResponse:  # noqa: PLR0911 - one answer per call
        if request.headers.get("authorization") != f"Basic {b64encode(f':{TOKEN}'.encode()).decode()}":
            return ForgeResponse(203, b"<html>Sign in</html>")
        method, path = request.name.split(" ")
        if (method, path) == ("GET", "/org/_apis/connectionData"):
            return ForgeResponse(body={"authenticatedUser": {"id": f"user-{OWN_USER}"}})
        if request.query.get("api-version") != "7.1":
            return ForgeResponse(400, {"message": "No api-version was supplied."})
        if (method, path) == ("GET", f"{self.REPOSITORY}/refs"):
            wanted = request.query["filter"]
            found = [{"name": f"refs/heads/{name}", "objectId": commit} for name, commit in self.branches.items()]
            return ForgeResponse(body={"value": [each for each in found if each["name"].startswith(f"refs/{wanted}")]})
        if (method, path) == ("POST", f"{self.REPOSITORY}/pullrequestquery"):
            ((kind, (commit,)),) = [(each["type"], each["items"]) for each in request.body["queries"]]
            number = self.merged.get(commit) if kind == "lastMergeCommit" else None
            others = [{"pullRequestId": 2, "status": "active"}]
            mine = [{"pullRequestId": number, "status": "completed"}] if number else []
            return ForgeResponse(body={"results": [{commit: [*others, *mine]}] if number else [{}]})
        threads = f"{self.REPOSITORY}/pullRequests/{NUMBER}/threads"
        match method, path.removeprefix(threads).split("/"):
            case "GET", [""]:
                found = [self._thread(each) for each in self.comments]
                return ForgeResponse(body={"value": found[::-1], "count": len(found)})
            case "POST", [""]:
                (comment,) = request.body["comments"]
                if (comment["commentType"], comment["parentCommentId"]) != ("text", 0):
                    return ForgeResponse(400, {"message": "not a comment"})
                self.comments.append(self.new_entry(comment["content"]))
            case "PATCH", ["", thread, "comments", "1"]:
                _find(self.comments, thread).body = request.body["content"]
            case _:
                return ForgeResponse(404, {"message": "TF401180: The requested pull request was not found."})
        return ForgeResponse(body={})

    @staticmethod
    def _thread(written: Entry) -> dict[str, Any]:
        first = {"id": 1, "content": written.body, "author": {"id": f"user-{written.author}"}}
        reply = {"id": 2, "content": "<!-- reconciler:prod -->", "author": {"id": f"user-{OWN_USER}"}}
        return {"id": written.id, "comments": [first, reply]}


class Bitbucket(Forge):
    """The parts of the REST API 2.0 of Bitbucket Cloud that reconciler uses.

    Source: https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/
    """

    may_read_user = True

    def environment(self) -> dict[str, str]:
        return {
            "BITBUCKET_BUILD_NUMBER": RUN,
            "BITBUCKET_WORKSPACE": OWNER,
            "BITBUCKET_REPO_SLUG": NAME,
            "BITBUCKET_PR_ID": str(NUMBER),
            "BITBUCKET_TOKEN": TOKEN,
        }

    def respond(self, request: Request) -> ForgeResponse:  # noqa: PLR0911 - one answer per call
        basic = b64encode(f"bot@example.com:{TOKEN}".encode()).decode()
        if request.headers.get("authorization") not in {f"Bearer {TOKEN}", f"Basic {basic}"}:
            return ForgeResponse(401, {"type": "error", "error": {"message": "Token is invalid"}})
        repository = f"/2.0/repositories/{OWNER}/{NAME}"
        comments = f"{repository}/pullrequests/{NUMBER}/comments"
        method, path = request.name.split(" ")
        if (method, path) == ("GET", "/2.0/user"):
            missing = {"type": "error", "error": {"message": "Your credentials lack one or more required scopes."}}
            return (
                ForgeResponse(body={"uuid": f"{{{OWN_USER}}}"}) if self.may_read_user else ForgeResponse(403, missing)
            )
        if path.startswith(f"{repository}/refs/branches/"):
            branch = self.branches.get(unquote(path.removeprefix(f"{repository}/refs/branches/")))
            return ForgeResponse(body={"target": {"hash": branch}}) if branch else ForgeResponse(404)
        if path == f"{repository}/pullrequests":
            return self._merged(request)
        if not path.startswith(comments):
            return ForgeResponse(404, {"type": "error", "error": {"message": "Resource not found"}})
        entry = path.removeprefix(comments).removeprefix("/")
        match method:
            case "GET":
                return self._comments(request)
            case "POST":
                self.comments.append(self.new_entry(request.body["content"]["raw"]))
            case "PUT":
                _find(self.comments, entry).body = request.body["content"]["raw"]
            case _:
                return ForgeResponse(405)
        return ForgeResponse(201, {})

    def _merged(self, request: Request) -> ForgeResponse:
        """Return a page of merged requests. The searched ones are on the second page."""
        if (request.query["state"], request.query["sort"]) != ("MERGED", "-updated_on"):
            return ForgeResponse(400)
        values = [{"id": 1, "merge_commit": None}, {"id": 2, "merge_commit": {"hash": "f" * 12}}]
        if request.query["page"] == "1":
            return ForgeResponse(body={"values": values, "next": f"{self.url}/elsewhere"})
        return ForgeResponse(
            body={
                "values": [{"id": each, "merge_commit": {"hash": commit[:12]}} for commit, each in self.merged.items()]
            }
        )

    def _comments(self, request: Request) -> ForgeResponse:
        size, number = int(request.query["pagelen"]), int(request.query["page"])
        values = [
            {"id": each.id, "content": {"raw": each.body}, "user": {"uuid": f"{{{each.author}}}"}, "deleted": False}
            for each in self.comments[size * (number - 1) : size * number]
        ]
        more = {"next": f"{self.url}/elsewhere"} if len(self.comments) > size * number else {}
        return ForgeResponse(body={"values": values, **more})


def _split(path: str, collections: tuple[str, ...]) -> tuple[str, str]:
    """Split a path into its collection and the id of an entry."""
    found = next((each for each in collections if path == each or path.startswith(f"{each}/")), "")
    return found, path.removeprefix(found).removeprefix("/")


def _find(entries: list[Entry], entry_id: str) -> Entry:
    return next(each for each in entries if str(each.id) == entry_id.removeprefix("N"))


JOB_TARGETS: dict[type[Forge], tuple[str, str, tuple[str, ...]]] = {
    GitHub: ("github", "/graphql", (OWNER, NAME)),
    GitLab: ("gitlab", "/api/v4/", ("42",)),
    Azure: ("azure", "/org", ("my project", "grants")),
    Bitbucket: ("bitbucket", "/2.0", (OWNER, NAME)),
}


def job_at(forge: Forge) -> Job:
    """Return a job whose hosting service is `forge`."""
    service, path, repository = JOB_TARGETS[type(forge)]
    return Job(service, f"{forge.url}{path}", repository, NUMBER, RUN, TOKEN)


@contextmanager
def serve_forge(forge: Forge) -> Iterator[None]:
    """Serve a forge on loopback and set its `url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - names of the standard library
            """Log nothing."""

        def _serve(self) -> None:
            request = self._request()
            forge.requests.append(request.name)
            fault = forge.faults.pop(0) if forge.faults else None
            response = fault(request, lambda: forge.respond(request)) if fault else forge.respond(request)
            self.close_connection = True
            if response is None:
                return
            content = response.body if isinstance(response.body, bytes) else json.dumps(response.body).encode()
            self.send_response(response.status)
            headers = {**response.headers, "Content-Length": str(len(content)), "Connection": "close"}
            for name, value in headers.items():
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
