"""Create links to the lines of files at the hosting service of the repository (GitHub or GitLab)."""

import re
from posixpath import join, normpath
from typing import NamedTuple
from urllib.parse import quote

from reconciler.core.problems import Source

DEFAULT_CONFIG = "reconciler.yaml"
MAX_LINKED_PATH_LENGTH = 300
GITHUB_FILES, GITLAB_FILES = "/blob/", "/-/blob/"
"""The part of a file URL between the address of the repository and the commit."""


COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
RUN_URL = re.compile(r"https?://[\w.:@-]+(/[\w./:?=&%~+-]*)?", re.ASCII)
"""Matches a URL without characters that would end a Markdown link."""


class Run(NamedTuple):
    """The pipeline run that writes a document. If an attribute is unknown, the attribute is an empty string.

    `url` is the URL of the web page of the run. `number` is the number of the run. `time` is the creation time of the
    document in UTC. `is_review` is true if the run checks a pull request or merge request.
    """

    url: str = ""
    number: str = ""
    time: str = ""
    is_review: bool = False

    @property
    def link(self) -> str:
        """A Markdown link to the web page of the pipeline run.

        If the URL has unusual characters, the link is an empty string.
        """
        if not RUN_URL.fullmatch(self.url):
            return ""
        return f"[run {self.number}](<{self.url}>)" if self.number else f"[run](<{self.url}>)"


NO_RUN = Run()


class SourceLinks(NamedTuple):
    """Creates links to the files of a repository.

    `root` is the root folder of the repository, and `current_folder` is the current folder (absolute paths with `/`).
    `address` is the start of the URL of each file, or an empty string if links are not possible. `config` is the path
    of the configuration file. `commit` is the id of the commit that the document describes, or an empty string. `run`
    is the pipeline run that writes the document.
    """

    root: str = "/"
    current_folder: str = "/"
    address: str = ""
    config: str = DEFAULT_CONFIG
    commit: str = ""
    run: Run = NO_RUN

    def path_of(self, file: str) -> str:
        """Return the path of a file relative to the root of the repository.

        Return `file` unchanged if the file is outside the repository.
        """
        return self.inside(file) or file

    def link_to(self, source: Source) -> str:
        """Return the URL of a line of a file, or an empty string if a link is not possible.

        Return an empty string for a file name with a backslash, because the backslash may come from an escape sequence.
        """
        path = self.inside(source.file)
        if not (self.address and path) or "\\" in path or len(path) > MAX_LINKED_PATH_LENGTH:
            return ""
        return f"{self.address}/{quote(path)}#L{source.line}"

    def link_at_commit(self, source: Source, commit: str, *, is_from_root: bool = False) -> str:
        """Return the URL of a line of a file in the commit `commit`, or an empty string. `commit` is a full commit id.

        The file name in `source` has the form `FILE in REVISION`. If `is_from_root` is true, the file name is relative
        to the root of the repository.
        """
        prefix, _, _ = self.address.rpartition("/")
        if not (prefix and COMMIT.fullmatch(commit)):
            return ""
        file = source.file.rpartition(" in ")[0]
        at_commit = self._replace(
            address=f"{prefix}/{commit}", current_folder=self.root if is_from_root else self.current_folder
        )
        return at_commit.link_to(source._replace(file=file)) if file else ""

    def request_link(self, request: str) -> str:
        """Return the URL of a pull request (`#12`) or merge request (`!12`), or an empty string."""
        if request[1:].isdecimal() and self.address:
            if request.startswith("!") and GITLAB_FILES in self.address:
                return f"{self.address.partition(GITLAB_FILES)[0]}/-/merge_requests/{request[1:]}"
            if request.startswith("#") and GITLAB_FILES not in self.address:
                return f"{self.address.rpartition(GITHUB_FILES)[0]}/pull/{request[1:]}"
        return ""

    def inside(self, file: str) -> str:
        """Return the path of a file relative to the root, or an empty string for a file outside the root."""
        folder = f"{self.root.rstrip('/')}/"
        path = normpath(join(self.current_folder, file))
        return path.removeprefix(folder) if path.startswith(folder) else ""


REMOTE = re.compile(
    r"((https|ssh)://([^/@]*@)?|[^/@:]*@)(?P<host>[a-z0-9.-]+)(:[0-9]+(?=/))?[:/](?P<path>[\w./-]+?)(\.git)?/?",
    re.ASCII,
)
"""Matches the address of a git remote: https, ssh, or `user@host:path`.

The regex groups `host` and `path` exclude user names and tokens, so links made from the groups reveal no tokens.
"""


def address_at_remote(remote: str, commit: str) -> str:
    """Return the common URL prefix of all files of a commit on GitHub or GitLab.

    If the host of `remote` is neither GitHub nor GitLab, return an empty string.
    """
    found = REMOTE.fullmatch(remote)
    labels = found["host"].split(".") if found else []
    for service, files in (("github", GITHUB_FILES), ("gitlab", GITLAB_FILES)):
        if found and service in labels and commit:
            return f"https://{found['host']}/{found['path'].strip('/')}{files}{commit}"
    return ""


NO_REPOSITORY = SourceLinks()
"""The source links for a folder that is not in a git repository. The link to every file is an empty string."""
