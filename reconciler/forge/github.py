"""Read and write comments on pull requests, and issues of repositories, with GitHub's GraphQL API.

The field `viewerDidAuthor` shows whether the token of the job wrote a comment or issue. GitHub's REST API does not
return `viewerDidAuthor`. The token can also change comments of other authors, so reconciler changes a comment only if
`viewerDidAuthor` is true.

https://docs.github.com/en/graphql
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.characters import quote_text
from reconciler.errors import ReconcilerError
from reconciler.forge.http import FORBIDDEN, NOT_FOUND, ForgeApi, ForgeError, TransientForgeError
from reconciler.forge.job import Job
from reconciler.forge.report import PostedEntry
from reconciler.forge.responses import flag_at, object_at, objects_at, request_number, text_at

SERVICE = "GitHub"
MAX_CHARACTERS = 65_536
MAX_PAGES = 1000
COMMENT_PERMISSION = "pull-requests: write"
ISSUE_PERMISSION = "issues: write"
GRAPHQL_ADVICE = (
    "GitHub's GraphQL API is not at this address: set --api of comment, or GITHUB_GRAPHQL_URL, to a URL like "
    "https://HOST/api/graphql"
)
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


BRANCH_TIP = """
query tip($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) { ref(qualifiedName: $ref) { target { oid } } }
}
"""
BRANCH_PERMISSION = "contents: read"
MERGED = """
query merged($owner: String!, $name: String!, $commit: GitObjectID!) {
  repository(owner: $owner, name: $name) {
    object(oid: $commit) {
      ... on Commit {
        associatedPullRequests(first: 50) { nodes { number merged mergeCommit { oid } repository { nameWithOwner } } }
      }
    }
  }
}
"""


def headers(job: Job) -> dict[str, str]:
    """Return the headers with the token of the job."""
    return {"Authorization": f"Bearer {job.token}"}


def advice(_: int) -> str:
    """Return no advice, because the advice depends on the permission that a query needs."""
    return ""


def tip_of(api: ForgeApi, job: Job, branch: str) -> object:
    """Return the id of the latest commit of a branch. Raises ForgeError."""
    variables = {**_repository(job), "ref": f"refs/heads/{branch}"}
    repository = object_at(_ask(api, BRANCH_PERMISSION, BRANCH_TIP, variables), SERVICE, "repository")
    if repository.get("ref") is None:
        raise ForgeError(f"GitHub: the branch {quote_text(branch)} does not exist")
    return text_at(repository, SERVICE, "ref", "target", "oid")


def merged_request(api: ForgeApi, job: Job, commit: str) -> int | None:
    """Return the number of the pull request that was merged with `commit`, or None. Raises ForgeError."""
    variables = {**_repository(job), "commit": commit}
    repository = object_at(_ask(api, COMMENT_PERMISSION, MERGED, variables), SERVICE, "repository")
    if repository.get("object") is None:
        raise ForgeError(f"GitHub: the commit {commit} does not exist in the repository")
    own = "/".join(job.repository).casefold()
    for node in objects_at(repository, SERVICE, "object", "associatedPullRequests", "nodes"):
        # the commit can also belong to a pull request in a fork
        is_own = text_at(node, SERVICE, "repository", "nameWithOwner").casefold() == own
        if is_own and node.get("merged") is True and text_at(node, SERVICE, "mergeCommit", "oid") == commit:
            return request_number(node.get("number"))
    return None


@dataclass(frozen=True, slots=True)
class PullRequestComments:
    """The comments on the pull request of the job."""

    api: ForgeApi
    job: Job
    max_characters = MAX_CHARACTERS

    def entries(self) -> Iterable[PostedEntry]:
        """Yield all comments of the pull request, starting with the oldest comment."""
        for owner in self._pages():
            yield from _entries(owner)

    def add(self, body: str) -> None:
        """Add a comment to the pull request."""
        _ask(self.api, COMMENT_PERMISSION, ADD_COMMENT, {"owner": _id(self._pages()), "body": body})

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the text of a comment."""
        _ask(self.api, COMMENT_PERMISSION, EDIT_COMMENT, {"id": entry_id, "body": body})

    def _pages(self) -> Iterator[Mapping[str, Any]]:
        job = self.job
        if job.number is None:
            raise ReconcilerError(
                "the event of this run does not contain a pull request; use comment in a workflow with on: pull_request"
            )
        variables = {**_repository(job), "number": job.number}
        return _pages(self.api, COMMENT_PERMISSION, COMMENTS, variables, ("repository", "owner"))


@dataclass(frozen=True, slots=True)
class GitHubIssues:
    """The open issues of the repository of the job."""

    api: ForgeApi
    job: Job
    title: str
    max_characters = MAX_CHARACTERS

    def entries(self) -> Iterable[PostedEntry]:
        """Yield all open issues, starting with the oldest issue."""
        for owner in self._pages():
            yield from _entries(owner)

    def add(self, body: str) -> None:
        """Open a new issue with the text `body`."""
        variables = {"owner": _id(self._pages()), "title": self.title, "body": body}
        _ask(self.api, ISSUE_PERMISSION, ADD_ISSUE, variables)

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the text of an issue."""
        _ask(self.api, ISSUE_PERMISSION, EDIT_ISSUE, {"id": entry_id, "body": body, "state": "OPEN"})

    def close(self, entry_id: str, body: str) -> None:
        """Replace the text of an issue and close the issue."""
        _ask(self.api, ISSUE_PERMISSION, EDIT_ISSUE, {"id": entry_id, "body": body, "state": "CLOSED"})

    def _pages(self) -> Iterator[Mapping[str, Any]]:
        return _pages(self.api, ISSUE_PERMISSION, ISSUES, _repository(self.job), ("owner",))


def _repository(job: Job) -> dict[str, object]:
    owner, name = job.repository
    return {"owner": owner, "name": name}


def _pages(
    api: ForgeApi, permission: str, query: str, variables: Mapping[str, object], path: tuple[str, ...]
) -> Iterator[Mapping[str, Any]]:
    """Send a GraphQL query for each page of a list, and yield the value at `path` in each response."""
    after = None
    for _ in range(MAX_PAGES):
        owner = object_at(_ask(api, permission, query, {**variables, "after": after}), SERVICE, *path)
        yield owner
        page = object_at(owner, SERVICE, "listing", "pageInfo")
        if not flag_at(page, SERVICE, "hasNextPage"):
            return
        after = text_at(page, SERVICE, "endCursor")
    raise ForgeError("GitHub's list of comments or issues has too many pages")


def _ask(api: ForgeApi, permission: str, query: str, variables: Mapping[str, object]) -> Mapping[str, Any]:
    """Send a GraphQL query and return the data in the response. GraphQL returns errors with the HTTP status 200."""
    try:
        response = api.call("POST", "", body={"query": query, "variables": variables}).data
    except ForgeError as error:
        if error.status == FORBIDDEN:
            raise _permission_error(str(error), permission) from error
        if error.status == NOT_FOUND:  # GraphQL reports a missing repository with the HTTP status 200
            raise ForgeError(f"{error}; {GRAPHQL_ADVICE}") from error
        raise
    errors = response.get("errors") if isinstance(response, dict) else None
    if not errors:
        return object_at(response, SERVICE, "data")
    first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {}
    text, kind = first.get("message"), first.get("type")
    message = f"GitHub: {api.secrets.redact_message(text) if isinstance(text, str) else 'an error without a message'}"
    if isinstance(kind, str) and kind in REFUSALS:
        raise _permission_error(message, permission)
    raise TransientForgeError(message) if kind in (None, "RATE_LIMITED") else ForgeError(message)


def _permission_error(message: str, permission: str) -> ForgeError:
    return ForgeError(
        f"{message}; the job needs the permission {permission}; a GITHUB_TOKEN can have this permission, "
        "except in pull requests of forks",
    )


def _id(pages: Iterator[Mapping[str, Any]]) -> str:
    return text_at(next(pages), SERVICE, "id")


def _entries(owner: Mapping[str, Any]) -> Iterator[PostedEntry]:
    for node in objects_at(owner, SERVICE, "listing", "nodes"):
        is_ours = flag_at(node, SERVICE, "viewerDidAuthor")
        yield PostedEntry(text_at(node, SERVICE, "id"), text_at(node, SERVICE, "body"), is_ours)
