"""Read and write comment threads of a pull request on Azure Repos, through the REST API 7.1 of Azure DevOps.

https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-request-threads
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reconciler.errors import ReconcilerError
from reconciler.forge.http import ForgeApi, ForgeError
from reconciler.forge.job import AZURE_ADVICE, Job
from reconciler.forge.report import PostedEntry
from reconciler.forge.responses import number_at, object_at, objects_at, optional_text_at, request_number

SERVICE = "Azure DevOps"
MAX_CHARACTERS = 150_000
VERSION = {"api-version": "7.1"}
CONNECTION_VERSION = {"api-version": "7.1-preview"}
"""The API version of the endpoint `connectionData`.

Azure DevOps offers the endpoint `connectionData` only in a preview version.
"""


def headers(job: Job) -> dict[str, str]:
    """Return the headers with the token of the job."""
    # Azure DevOps expects the token of a job or user as the password, and an empty user name.
    password = b64encode(f":{job.token}".encode()).decode()
    return {"Authorization": f"Basic {password}"}


def advice(_: int) -> str:
    """Return the advice for every failure, because Azure DevOps often redirects requests with an invalid token."""
    return f"the token needs the permission to contribute to pull requests: {AZURE_ADVICE}"


def tip_of(api: ForgeApi, job: Job, branch: str) -> object:
    """Return the id of the latest commit of a branch. Raises ForgeError."""
    found = _ask(api, "GET", f"{_repository(job)}/refs", query={**VERSION, "filter": f"heads/{branch}"})
    refs = [each for each in objects_at(found, SERVICE, "value") if each.get("name") == f"refs/heads/{branch}"]
    return refs[0].get("objectId") if refs else None


def merged_request(api: ForgeApi, job: Job, commit: str) -> int | None:
    """Return the number of the pull request whose merge commit is `commit`, or None. Raises ForgeError.

    Source: https://learn.microsoft.com/en-us/rest/api/azure/devops/git/pull-request-query
    """
    query = {"queries": [{"type": "lastMergeCommit", "items": [commit]}]}
    found = _ask(api, "POST", f"{_repository(job)}/pullrequestquery", query=VERSION, body=query)
    for each in objects_at(found, SERVICE, "results"):
        for request in objects_at(each, SERVICE, commit) if commit in each else ():
            if request.get("status") == "completed":
                return request_number(request.get("pullRequestId"))
    return None


@dataclass(frozen=True, slots=True)
class PullRequestThreads:
    """The first comment of each thread on the pull request of the job.

    Each report has a separate thread.
    """

    api: ForgeApi
    job: Job
    max_characters = MAX_CHARACTERS

    def entries(self) -> Iterable[PostedEntry]:
        """Yield the first comment of each thread, starting with the oldest thread."""
        connection = _ask(self.api, "GET", "_apis/connectionData", query=CONNECTION_VERSION)
        user = _id(connection.get("authenticatedUser"), "connectionData")
        threads = objects_at(_ask(self.api, "GET", self._path(), query=VERSION), SERVICE, "value")
        for thread in sorted(threads, key=_number):
            comments = objects_at(thread, SERVICE, "comments") if thread.get("comments") is not None else []
            if thread.get("isDeleted") or not comments or comments[0].get("isDeleted"):
                continue
            first = comments[0]
            author = first.get("author")
            is_ours = isinstance(author, dict) and author.get("id") == user
            entry_id = f"{_number(thread)}/comments/{_number(first)}"
            yield PostedEntry(entry_id, optional_text_at(first, SERVICE, "content"), is_ours)

    def add(self, body: str) -> None:
        """Start a new comment thread on the pull request.

        The thread has no status, because a thread with a status could block the pull request.
        """
        comment = {"parentCommentId": 0, "content": body, "commentType": "text"}
        _ask(self.api, "POST", self._path(), query=VERSION, body={"comments": [comment]})

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the text of a comment."""
        _ask(self.api, "PATCH", f"{self._path()}/{entry_id}", query=VERSION, body={"content": body})

    def _path(self) -> str:
        if self.job.number is None:
            raise ReconcilerError(
                "SYSTEM_PULLREQUEST_PULLREQUESTID is not set; Azure Pipelines sets it in runs of a build validation"
            )
        return f"{_repository(self.job)}/pullRequests/{self.job.number}/threads"


def _repository(job: Job) -> str:
    project, repository = job.repository
    return f"{quote(project, safe='')}/_apis/git/repositories/{quote(repository, safe='')}"


def _number(item: Mapping[str, Any]) -> int:
    return number_at(item, SERVICE, "id")


def _id(user: object, where: str) -> str:
    found = user.get("id") if isinstance(user, dict) else None
    if not isinstance(found, str) or not found:
        raise ForgeError(f"the response of Azure DevOps lacks the user of the token ({where})")
    return found


def _ask(
    api: ForgeApi,
    method: str,
    path: str,
    *,
    query: Mapping[str, str],
    body: Mapping[str, object] | None = None,
) -> Mapping[str, Any]:
    return object_at(api.call(method, path, query=query, body=body).data, SERVICE)
