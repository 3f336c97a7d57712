"""Pure: where the files of a run stand in their repository, and where its hosting service shows them."""

from dataclasses import dataclass
from posixpath import join, normpath
from urllib.parse import quote

from reconciler.core.problems import Source

USUAL_CONFIG = "reconciler.yaml"
LONGEST_LINKED_PATH = 300


@dataclass(frozen=True, slots=True)
class SourceLinks:
    """A repository at `root`, seen from the current folder `here`; both are absolute paths, with `/`.

    `address` is the one below which its files are shown, empty where there is none. `config` is the path of the
    configuration in it: who has several tells their tenants apart by it. `commit` is the commit under review, if known.
    """

    root: str = "/"
    here: str = "/"
    address: str = ""
    config: str = USUAL_CONFIG
    commit: str = ""

    def path_of(self, file: str) -> str:
        """Return the path in the repository of a file, as the user named it; where it is outside, that name."""
        return self.inside(file) or file

    def link_to(self, source: Source) -> str:
        """Return the address of a line, nothing where none is known.

        A name with a backslash in it is not the file's own: bytes that are no text have been written out.
        """
        path = self.inside(source.file)
        if not (self.address and path) or "\\" in path or len(path) > LONGEST_LINKED_PATH:
            return ""
        return f"{self.address}/{quote(path)}#L{source.line}"

    def inside(self, file: str) -> str:
        """Return the path of a file below the root, nothing where it is not there."""
        folder = f"{self.root.rstrip('/')}/"
        whole = normpath(join(self.here, file))
        return whole.removeprefix(folder) if whole.startswith(folder) else ""


JUST_HERE = SourceLinks()
"""Where no repository is known."""
