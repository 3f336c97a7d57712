"""Read and write comments (notes) on merge requests, and issues of projects, with GitLab's REST API.

https://docs.gitlab.com/api/notes/ and https://docs.gitlab.com/api/issues/
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from reconciler.errors import ReconcilerError
from reconciler.forge.http import FORBIDDEN, NOT_FOUND, ForgeApi, ForgeError
from reconciler.forge.job import GITLAB_ADVICE, Job
from reconciler.forge.report import PostedEntry
from reconciler.forge.responses import number_at, object_at, objects_at, optional_text_at, request_number, text_at

SERVICE = "GitLab"
MAX_CHARACTERS = 1_000_000
PAGE_SIZE = 20
"""The number of notes or issues that reconciler requests in one page.

A page with more than 20 long notes could exceed the size limit for responses.
"""
MAX_PAGES = 1000
OLDEST_FIRST = {"sort": "asc", "order_by": "created_at"}


def headers(job: Job) -> dict[str, str]:
    """Return the headers with the token of the job."""
    return {"PRIVATE-TOKEN": job.token}


def advice(status: int) -> str:
    """Return the advice for a failed request. GitLab also returns 404 if the token lacks the permission."""
    return f"GITLAB_TOKEN needs the scope api: {GITLAB_ADVICE}" if status in {FORBIDDEN, NOT_FOUND} else ""


def tip_of(api: ForgeApi, job: Job, branch: str) -> object:
    """Return the id of the latest commit of a branch. Raises ForgeError."""
    data = api.call("GET", f"{_project(job)}/repository/branches/{quote(branch, safe='')}").data
    return text_at(data, SERVICE, "commit", "id")


def merged_request(api: ForgeApi, job: Job, commit: str) -> int | None:
    """Return the number of the merge request that was merged with `commit`, or None. Raises ForgeError.

    After a fast-forward merge, which creates no merge commit, `commit` is the last commit of the merged branch.
    """
    found = api.call("GET", f"{_project(job)}/repository/commits/{commit}/merge_requests").data
    merged = [each for each in objects_at(found, SERVICE) if each.get("state") == "merged"]
    for names in (("merge_commit_sha", "squash_commit_sha"), ("sha",)):
        for each in merged:
            if commit in [optional_text_at(each, SERVICE, name) for name in names]:
                return request_number(each.get("iid"))
    return None


@dataclass(frozen=True, slots=True)
class MergeRequestNotes:
    """The notes on the merge request of the job."""

    api: ForgeApi
    job: Job
    max_characters = MAX_CHARACTERS

    def entries(self) -> Iterable[PostedEntry]:
        """Yield all notes of the merge request, starting with the oldest note."""
        return _entries(self.api, self._path(), "body", OLDEST_FIRST)

    def add(self, body: str) -> None:
        """Add a note to the merge request."""
        self.api.call("POST", self._path(), body={"body": body})

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the text of a note."""
        self.api.call("PUT", f"{self._path()}/{entry_id}", body={"body": body})

    def _path(self) -> str:
        if self.job.number is None:
            raise ReconcilerError(
                "CI_MERGE_REQUEST_IID is not set; GitLab sets it in jobs with the rule "
                '$CI_PIPELINE_SOURCE == "merge_request_event"',
            )
        return f"{_project(self.job)}/merge_requests/{self.job.number}/notes"


@dataclass(frozen=True, slots=True)
class GitLabIssues:
    """The open issues of the project of the job."""

    api: ForgeApi
    job: Job
    title: str
    max_characters = MAX_CHARACTERS

    def entries(self) -> Iterable[PostedEntry]:
        """Yield all open issues, starting with the oldest issue."""
        return _entries(self.api, self._path(), "description", {**OLDEST_FIRST, "state": "opened"})

    def add(self, body: str) -> None:
        """Open a new issue with the text `body`."""
        self.api.call("POST", self._path(), body={"title": self.title, "description": body})

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the text of an issue."""
        self.api.call("PUT", f"{self._path()}/{entry_id}", body={"description": body})

    def close(self, entry_id: str, body: str) -> None:
        """Replace the text of an issue and close the issue."""
        self.api.call("PUT", f"{self._path()}/{entry_id}", body={"description": body, "state_event": "close"})

    def _path(self) -> str:
        return f"{_project(self.job)}/issues"


def _project(job: Job) -> str:
    return f"projects/{quote(job.repository[0], safe='')}"


def _entries(api: ForgeApi, path: str, text: str, query: Mapping[str, str]) -> Iterator[PostedEntry]:
    """Yield the notes or issues of all pages.

    `text` is the name of the JSON field that contains the body of a note or issue.
    """
    user = object_at(api.call("GET", "user").data, SERVICE)
    user_id = None if user.get("id") is None else number_at(user, SERVICE, "id")
    for number in range(1, MAX_PAGES + 1):
        page = api.call("GET", path, query={**query, "per_page": str(PAGE_SIZE), "page": str(number)})
        for item in objects_at(page.data, SERVICE):
            author = item.get("author")
            is_ours = user_id is not None and isinstance(author, dict) and author.get("id") == user_id
            entry_id = number_at(item, SERVICE, "iid" if "iid" in item else "id")  # an issue has both numbers
            yield PostedEntry(str(entry_id), optional_text_at(item, SERVICE, text), is_ours)
        if not page.has_next:
            return
    raise ForgeError("GitLab's list of notes or issues has too many pages")
