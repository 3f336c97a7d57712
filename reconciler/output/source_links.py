"""Pure: the paths of files in their repository, and links to their lines at the hosting service."""

import re
from dataclasses import dataclass, replace
from posixpath import join, normpath
from urllib.parse import quote

from reconciler.core.problems import Source

DEFAULT_CONFIG = "reconciler.yaml"
MAX_LINKED_PATH_LENGTH = 300
GITHUB_FILES, GITLAB_FILES = "/blob/", "/-/blob/"
"""The part of the URL prefix that separates the address of the repository from the commit."""


COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
RUN_URL = re.compile(r"https?://[\w.:@-]+(/[\w./:?=&%~+-]*)?", re.ASCII)
"""Matches URLs without characters that end a link in Markdown."""


@dataclass(frozen=True, slots=True)
class Run:
    """The run that writes a document. All texts may be empty.

    `url` is the page of the run, and `number` its number. `time` is the time of the document in UTC. `is_review` is
    whether the run belongs to a pull or merge request.
    """

    url: str = ""
    number: str = ""
    time: str = ""
    is_review: bool = False

    @property
    def link(self) -> str:
        """The run as Markdown: a link to its page, or an empty text. A URL with unusual characters is left out."""
        if not RUN_URL.fullmatch(self.url):
            return ""
        return f"[run {self.number}](<{self.url}>)" if self.number else f"[run](<{self.url}>)"


NO_RUN = Run()


@dataclass(frozen=True, slots=True)
class SourceLinks:
    """A repository at `root`, used from the folder `current_folder`. Both are absolute paths with `/`.

    `address` is the URL prefix of its files, or empty. `config` is the path of the configuration, which distinguishes
    tenants of several configurations. `commit` is the commit under review, if known. `run` is the run that writes the
    document.
    """

    root: str = "/"
    current_folder: str = "/"
    address: str = ""
    config: str = DEFAULT_CONFIG
    commit: str = ""
    run: Run = NO_RUN

    def path_of(self, file: str) -> str:
        """Return the path of a file in the repository. A file outside keeps its name."""
        return self.inside(file) or file

    def link_to(self, source: Source) -> str:
        """Return the URL of a line, or an empty text.

        A name with a backslash contains escaped bytes, so it has no URL.
        """
        path = self.inside(source.file)
        if not (self.address and path) or "\\" in path or len(path) > MAX_LINKED_PATH_LENGTH:
            return ""
        return f"{self.address}/{quote(path)}#L{source.line}"

    def link_at_commit(self, source: Source, commit: str, *, is_from_root: bool = False) -> str:
        """Return the URL of a line in another commit, or an empty text. `commit` is a whole commit id.

        The name of the file has the form `file in revision`. With `is_from_root`, it is relative to the root.
        """
        prefix, _, _ = self.address.rpartition("/")
        if not (prefix and COMMIT.fullmatch(commit)):
            return ""
        file = source.file.rpartition(" in ")[0]
        at_commit = replace(
            self, address=f"{prefix}/{commit}", current_folder=self.root if is_from_root else self.current_folder
        )
        return at_commit.link_to(replace(source, file=file)) if file else ""

    def request_link(self, request: str) -> str:
        """Return the URL of a pull request (`#12`) or merge request (`!12`), or an empty text."""
        if request[1:].isdecimal() and self.address:
            if request.startswith("!") and GITLAB_FILES in self.address:
                return f"{self.address.partition(GITLAB_FILES)[0]}/-/merge_requests/{request[1:]}"
            if request.startswith("#") and GITLAB_FILES not in self.address:
                return f"{self.address.rpartition(GITHUB_FILES)[0]}/pull/{request[1:]}"
        return ""

    def inside(self, file: str) -> str:
        """Return the path of a file below the root, or an empty text."""
        folder = f"{self.root.rstrip('/')}/"
        path = normpath(join(self.current_folder, file))
        return path.removeprefix(folder) if path.startswith(folder) else ""


REMOTE = re.compile(
    r"((https|ssh)://([^/@]*@)?|[^/@:]*@)(?P<host>[a-z0-9.-]+)(:[0-9]+(?=/))?[:/](?P<path>[\w./-]+?)(\.git)?/?",
    re.ASCII,
)
"""Matches the address of a remote: https, ssh, or `user@host:path`. User names and tokens are not part of a link."""


def address_at_remote(remote: str, commit: str) -> str:
    """Return the URL prefix of the files of a commit at GitHub or GitLab, or an empty text for other remotes."""
    found = REMOTE.fullmatch(remote)
    labels = found["host"].split(".") if found else []
    for service, files in (("github", GITHUB_FILES), ("gitlab", GITLAB_FILES)):
        if found and service in labels and commit:
            return f"https://{found['host']}/{found['path'].strip('/')}{files}{commit}"
    return ""


NO_REPOSITORY = SourceLinks()
"""Source links outside a repository: they link nothing."""
