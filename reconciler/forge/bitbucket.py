"""Read and write comments on a pull request of Bitbucket Cloud, through the REST API 2.0.

https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from reconciler.errors import ReconcilerError
from reconciler.forge.http import FORBIDDEN, NOT_FOUND, ForgeApi, ForgeError
from reconciler.forge.job import BITBUCKET_ADVICE, Job
from reconciler.forge.report import PostedEntry
from reconciler.forge.responses import number_at, object_at, objects_at, optional_text_at, request_number, text_at

SERVICE = "Bitbucket"
MAX_CHARACTERS = 32_768
PAGE_SIZE = "50"
MAX_PAGES = 1000
MAX_MERGED_PAGES = 4
MIN_HASH_LENGTH = 12
"""The length of the short commit hashes that Bitbucket returns in lists of pull requests."""
HTML_COMMENT = re.compile(r"^<!-- ((?:reconciler(?:-result)?:|run )[^()<>]*) -->$", re.MULTILINE)
HIDDEN_LINE = re.compile(r"^\[//\]: # \(((?:reconciler(?:-result)?:|run )[^()<>]*)\)$", re.MULTILINE)
"""Matches a Markdown link definition that contains a hidden line of a report.

Bitbucket displays HTML comments but hides link definitions.
"""


def headers(job: Job) -> dict[str, str]:
    """Return the headers with the token of the job."""
    password = b64encode(f"{job.email}:{job.token}".encode()).decode()
    return {"Authorization": f"Basic {password}" if job.email else f"Bearer {job.token}"}


def advice(status: int) -> str:
    """Return the advice for a request that failed with `status`."""
    needed = f"BITBUCKET_TOKEN needs the permission to write pull requests: {BITBUCKET_ADVICE}"
    return needed if status in {FORBIDDEN, NOT_FOUND} else ""


def tip_of(api: ForgeApi, job: Job, branch: str) -> object:
    """Return the id of the latest commit of a branch. Raises ForgeError."""
    found = _ask(api, "GET", f"{_repository(job)}/refs/branches/{quote(branch, safe='')}")
    return text_at(found, SERVICE, "target", "hash")


def merged_request(api: ForgeApi, job: Job, commit: str) -> int | None:
    """Return the number of the pull request whose merge commit is `commit`, or None. Raises ForgeError.

    Search only the most recently changed pull requests. Bitbucket can search all pull requests by commit only if an
    additional app is installed in the repository.
    """
    query = {"state": "MERGED", "sort": "-updated_on", "pagelen": PAGE_SIZE}
    for number in range(1, MAX_MERGED_PAGES + 1):
        page = _ask(api, "GET", f"{_repository(job)}/pullrequests", query={**query, "page": str(number)})
        for each in objects_at(page, SERVICE, "values"):
            short = optional_text_at(each, SERVICE, "merge_commit", "hash")
            if len(short) >= MIN_HASH_LENGTH and commit.startswith(short):
                return request_number(each.get("id"))
        if not page.get("next"):
            break
    return None


@dataclass(frozen=True, slots=True)
class PullRequestRemarks:
    """The comments on the pull request of the job.

    In comments on Bitbucket, the hidden lines of a report are link definitions. PullRequestRemarks converts the link
    definitions back to HTML comments.
    """

    api: ForgeApi
    job: Job
    max_characters = MAX_CHARACTERS

    def entries(self) -> Iterator[PostedEntry]:
        """Yield all comments of the pull request, starting with the oldest comment."""
        user = self.job.user or self._user()
        for item in self._items():
            author = item.get("user")
            raw = optional_text_at(item, SERVICE, "content", "raw")
            is_ours = isinstance(author, dict) and author.get("uuid") == user
            if not item.get("deleted"):
                number = number_at(item, SERVICE, "id")
                yield PostedEntry(str(number), HIDDEN_LINE.sub(r"<!-- \1 -->", raw), is_ours)

    def add(self, body: str) -> None:
        """Add a comment to the pull request."""
        _ask(self.api, "POST", self._path(), body=_content(body))

    def edit(self, entry_id: str, body: str) -> None:
        """Replace the text of a comment."""
        _ask(self.api, "PUT", f"{self._path()}/{entry_id}", body=_content(body))

    def _user(self) -> str:
        """Return the UUID of the user that owns the token.

        Some tokens, for example repository access tokens, have no permission to read the UUID of their user.
        """
        try:
            user = _ask(self.api, "GET", "user").get("uuid")
        except ForgeError as error:
            if error.status != FORBIDDEN:
                raise
            raise ForgeError(
                f"{error}; the token lacks the permission to read its own user: set BITBUCKET_USER_UUID to the UUID of "
                "that user"
            ) from error
        if not isinstance(user, str) or not user:
            raise ForgeError("Bitbucket's response lacks the UUID of the token's user")
        return user

    def _items(self) -> Iterable[Mapping[str, Any]]:
        for number in range(1, MAX_PAGES + 1):
            query = {"pagelen": PAGE_SIZE, "page": str(number), "sort": "created_on"}
            page = _ask(self.api, "GET", self._path(), query=query)
            yield from objects_at(page, SERVICE, "values")
            if not page.get("next"):
                return
        raise ForgeError("Bitbucket's list of comments has too many pages")

    def _path(self) -> str:
        if self.job.number is None:
            raise ReconcilerError(
                "BITBUCKET_PR_ID is not set; Bitbucket Pipelines sets it in the section pull-requests of the pipelines"
            )
        return f"{_repository(self.job)}/pullrequests/{self.job.number}/comments"


def _content(body: str) -> Mapping[str, object]:
    return {"content": {"raw": HTML_COMMENT.sub(r"[//]: # (\1)", body)}}


def _repository(job: Job) -> str:
    workspace, repository = job.repository
    return f"repositories/{quote(workspace, safe='')}/{quote(repository, safe='')}"


def _ask(
    api: ForgeApi,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, object] | None = None,
) -> Mapping[str, Any]:
    return object_at(api.call(method, path, query=query, body=body).data, SERVICE)
