"""Comments on a pull request and issues of a repository on GitHub, through its GraphQL API.

Only this API tells a job's own token which comments it wrote (`viewerDidAuthor`). The token of a job may change
everybody's comments, so GitHub would not prevent a change to another author's comment.

https://docs.github.com/en/graphql
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from reconciler.core.quoting import quoted
from reconciler.errors import ReconcilerError
from reconciler.forge.http import ForgeApi, ForgeError, TransientForgeError, connected
from reconciler.forge.job import GitHubJob, commit_id
from reconciler.forge.report import PostedEntry

MOST_CHARACTERS = 65_536
MOST_PAGES = 1000
FOR_COMMENTS = "pull-requests: write"
FOR_ISSUES = "issues: write"
REFUSALS = {"FORBIDDEN", "NOT_FOUND", "INSUFFICIENT_SCOPES"}

COMMENTS = """
query comments($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    owner: pullRequest(number: $number) {
      id
      listing: comments(first: 50, after: $after) {
        nodes { id body viewerDidAuthor }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}
"""
ADD_COMMENT = """
mutation addComment($owner: ID!, $body: String!) {
  addComment(input: {subjectId: $owner, body: $body}) { clientMutationId }
}
"""
EDIT_COMMENT = """
mutation editComment($id: ID!, $body: String!) {
  updateIssueComment(input: {id: $id, body: $body}) { clientMutationId }
}
"""
ISSUES = """
query issues($owner: String!, $name: String!, $after: String) {
  owner: repository(owner: $owner, name: $name) {
    id
    listing: issues(first: 50, after: $after, states: OPEN, orderBy: {field: CREATED_AT, direction: ASC}) {
      nodes { id body viewerDidAuthor }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""
ADD_ISSUE = """
mutation addIssue($owner: ID!, $title: String!, $body: String!) {
  createIssue(input: {repositoryId: $owner, title: $title, body: $body}) { clientMutationId }
}
"""
EDIT_ISSUE = """
mutation editIssue($id: ID!, $body: String!, $state: IssueState!) {
  updateIssue(input: {id: $id, body: $body, state: $state}) { clientMutationId }
}
"""


TIP = """
query tip($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) { ref(qualifiedName: $ref) { target { oid } } }
}
"""
FOR_BRANCHES = "contents: read"


def open_github(job: GitHubJob) -> AbstractContextManager[ForgeApi]:
    """Open the API of the job's GitHub. Raises ReconcilerError."""
    return connected(job.address, job.token, {"Authorization": f"Bearer {job.token}"})


def tip_of(api: ForgeApi, job: GitHubJob, branch: str) -> str:
    """Return the commit id of the tip of a branch. Raises ForgeError."""
    variables = {"owner": job.owner, "name": job.name, "ref": f"refs/heads/{branch}"}
    repository = _dug(_ask(api, FOR_BRANCHES, TIP, variables), "repository")
    if repository.get("ref") is None:
        raise ForgeError(f"GitHub: the branch {quoted(branch)} does not exist")
    return commit_id(_dug(repository, "ref", "target", "oid"))


@dataclass(frozen=True, slots=True)
class PullRequestComments:
    """The comments on the job's pull request."""

    api: ForgeApi
    job: GitHubJob
    most_characters = MOST_CHARACTERS

    def entries(self) -> Iterable[PostedEntry]:
        """Yield all comments, oldest first."""
        for owner in self._pages():
            yield from _entries(owner)

    def add(self, body: str) -> None:
        """Add a comment to the pull request."""
        _ask(self.api, FOR_COMMENTS, ADD_COMMENT, {"owner": _id(self._pages()), "body": body})

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the text of a comment."""
        _ask(self.api, FOR_COMMENTS, EDIT_COMMENT, {"id": entry_id, "body": body})

    def _pages(self) -> Iterator[Mapping[str, Any]]:
        job = self.job
        if job.pull_request is None:
            raise ReconcilerError(
                "the event of this run does not contain a pull request; use comment in a workflow with on: pull_request"
            )
        variables = {"owner": job.owner, "name": job.name, "number": job.pull_request}
        return _pages(self.api, FOR_COMMENTS, COMMENTS, variables, ("repository", "owner"))


@dataclass(frozen=True, slots=True)
class GitHubIssues:
    """The open issues of the job's repository."""

    api: ForgeApi
    job: GitHubJob
    title: str
    most_characters = MOST_CHARACTERS

    def entries(self) -> Iterable[PostedEntry]:
        """Yield all open issues, oldest first."""
        for owner in self._pages():
            yield from _entries(owner)

    def add(self, body: str) -> None:
        """Open an issue."""
        variables = {"owner": _id(self._pages()), "title": self.title, "body": body}
        _ask(self.api, FOR_ISSUES, ADD_ISSUE, variables)

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the text of an issue."""
        _ask(self.api, FOR_ISSUES, EDIT_ISSUE, {"id": entry_id, "body": body, "state": "OPEN"})

    def close(self, entry_id: str, body: str) -> None:
        """Replace the text of an issue, and close it."""
        _ask(self.api, FOR_ISSUES, EDIT_ISSUE, {"id": entry_id, "body": body, "state": "CLOSED"})

    def _pages(self) -> Iterator[Mapping[str, Any]]:
        variables = {"owner": self.job.owner, "name": self.job.name}
        return _pages(self.api, FOR_ISSUES, ISSUES, variables, ("owner",))


def _pages(
    api: ForgeApi, permission: str, query: str, variables: Mapping[str, object], path: tuple[str, ...]
) -> Iterator[Mapping[str, Any]]:
    """Yield the value at `path` of each response: the owner of a listing with one page of it."""
    after = None
    for _ in range(MOST_PAGES):
        owner = _dug(_ask(api, permission, query, {**variables, "after": after}), *path)
        yield owner
        page = _dug(owner, "listing", "pageInfo")
        if not page.get("hasNextPage"):
            return
        after = page.get("endCursor")
    raise ForgeError("GitHub's listing has no end")


def _ask(api: ForgeApi, permission: str, document: str, variables: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
    """Return the data of a response. GraphQL returns errors with status 200 and a type."""
    try:
        answer = api.call("POST", "", body={"query": document, "variables": variables}).data
    except ForgeError as error:
        if error.status in {401, 403}:
            raise _refusal(str(error), permission) from error
        raise
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if not errors:
        return _dug(answer, "data")
    first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {}
    said, kind = first.get("message"), first.get("type")
    message = f"GitHub: {api.blotted(said) if isinstance(said, str) else 'an error without a message'}"
    if isinstance(kind, str) and kind in REFUSALS:
        raise _refusal(message, permission)
    raise TransientForgeError(message) if kind in (None, "RATE_LIMITED") else ForgeError(message)


def _refusal(message: str, permission: str) -> ForgeError:
    return ForgeError(
        f"{message}; the job needs the permission {permission}, which GitHub's own GITHUB_TOKEN can have, "
        "except in pull requests of forks",
    )


def _id(pages: Iterator[Mapping[str, Any]]) -> str:
    return str(_dug(next(pages), "id"))


def _entries(owner: Mapping[str, Any]) -> Iterator[PostedEntry]:
    nodes = _dug(owner, "listing").get("nodes")
    if not isinstance(nodes, list):
        raise ForgeError("GitHub's response lacks its list of nodes")
    for node in nodes:
        yield PostedEntry(str(node.get("id")), str(node.get("body")), ours=node.get("viewerDidAuthor") is True)


def _dug(data: object, *path: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value under the names in `path`. It must be an object, or a text at the end."""
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    if not isinstance(data, dict | str):
        raise ForgeError(f"GitHub's response lacks {'.'.join(path)}")
    return data
