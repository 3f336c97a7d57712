"""Parse the files of auth0-deploy-cli, and find the YAML node of each grant for each tenant.

auth0-deploy-cli replaces placeholders such as `##KEY##` before parsing a file. The values of placeholders differ
between tenants, so this module parses each file once for each tenant. To read comments and positions, this module
parses the file again, with a unique word in place of each placeholder.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from operator import itemgetter

from reconciler.core.imports.shared_grants import Comments
from reconciler.core.problems import Problem, Source
from reconciler.foreign.deploy_settings import GRANTS, DeployTenant
from reconciler.foreign.document import (
    ForeignComment,
    ForeignDocument,
    ForeignNode,
    ForeignSyntaxError,
    json_as_yaml,
    read_json_text,
    read_yaml_text,
)
from reconciler.foreign.keywords import KeywordText


class FileKind(Enum):
    """The content of a file: a whole tenant in YAML, or one grant, application or organization in JSON."""

    TENANT = auto()
    GRANT = auto()
    CLIENT = auto()
    ORGANIZATION = auto()


SECTIONS: Mapping[FileKind, str] = {
    FileKind.GRANT: GRANTS,
    FileKind.CLIENT: "clients",
    FileKind.ORGANIZATION: "organizations",
}
"""Maps the kind of object in a JSON file to the key under which a YAML tenant file lists the objects."""


@dataclass(frozen=True, slots=True)
class DeployFile:
    """A file of auth0-deploy-cli."""

    name: str
    text: str = field(repr=False)
    kind: FileKind = FileKind.TENANT


InnerComments = Mapping[tuple[str, int | None], Comments]
"""The comments inside a grant, keyed by field name and list index.

For a comment on a whole field, the list index is None.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedGrant:
    """A grant in a file of auth0-deploy-cli, and the YAML node of the grant for each tenant."""

    source: Source
    """The position of the grant in the file."""
    keywords: KeywordText
    """The text of the file, and the placeholders in the text."""
    nodes: Mapping[str, ForeignNode]
    """The YAML node of the grant for each tenant, by the name of the tenant."""
    template: ForeignNode | None = None
    """The YAML node of the grant after the replacement of each placeholder with a unique word.

    `template` is None if a placeholder changes the structure of the file.
    """
    above: tuple[str, ...] = ()
    """The comments above the grant."""
    after: tuple[str, ...] = ()
    """The comments after the grant."""
    inner: InnerComments = field(default_factory=dict)
    """The comments inside the grant."""


class ParsedFile:
    """A file of auth0-deploy-cli that reconciler parses once for each tenant.

    `problems` contains the syntax errors in the file.
    """

    def __init__(self, file: DeployFile, tenants: Sequence[DeployTenant]) -> None:
        self.file = file
        self.keywords = KeywordText(
            file.text, {key for each in tenants for key in each.mappings}, is_json=file.kind is not FileKind.TENANT
        )
        self.problems: list[Problem] = []
        self._template = self._read_template()
        self._by_tenant: dict[str, ForeignDocument] = {}
        known: dict[str, ForeignDocument] = {}
        for tenant in tenants:
            text = self.keywords.without_missing(tenant.mappings, file.text)
            if text not in known:
                known[text] = self._read(text, tenant.name)
            self._by_tenant[tenant.name] = known[text]

    def _read_template(self) -> ForeignDocument | None:
        """Parse the text of the file after the replacement of each placeholder with a unique word.

        Return None if the text is not valid YAML after the replacement of the placeholders.
        """
        is_json = self.file.kind is not FileKind.TENANT
        try:
            return read_yaml_text(json_as_yaml(self.keywords.text) if is_json else self.keywords.text, self.file.name)
        except ForeignSyntaxError:
            return None

    def _read(self, text: str, tenant: str) -> ForeignDocument:
        read = read_yaml_text if self.file.kind is FileKind.TENANT else read_json_text
        try:
            return read(text, self.file.name)
        except ForeignSyntaxError as error:
            problem = error.problem
            suffix = (
                f", after the replacement of the ##KEY## placeholders for {tenant}"
                if tenant and self.keywords.keywords
                else ""
            )
            self.problems.append(Problem(problem.source, f"{problem.what}{suffix}", problem.fix))
            return ForeignDocument(ForeignNode((1, 1)))

    def items(self, kind: FileKind, tenant: str) -> list[ForeignNode]:
        """Return one tenant's YAML nodes of the kind `kind`: grants, applications or organizations."""
        return self._items(kind, self._by_tenant[tenant])

    def _items(self, kind: FileKind, document: ForeignDocument) -> list[ForeignNode]:
        if self.file.kind is FileKind.TENANT:
            section = document.root.get(SECTIONS[kind])
            return section.items if section else []
        return [document.root] if self.file.kind is kind and document.root.value else []

    def section(self, kind: FileKind, tenant: str) -> ForeignNode | None:
        """Return one tenant's list of grants, applications or organizations, or None if the file has no such list."""
        return self._by_tenant[tenant].root.get(SECTIONS[kind]) if self.file.kind is FileKind.TENANT else None

    def misplaced(self) -> Iterator[Problem]:
        """Yield a problem if the value of `clientGrants` is not a list."""
        for tenant in self._by_tenant:
            section = self.section(FileKind.GRANT, tenant)
            value = section.value if section else None
            is_keyword = isinstance(value, str) and self.keywords.parts(value) != [value]
            if section and value is not None and not isinstance(value, list) and not is_keyword:
                yield Problem(Source(self.file.name, *section.mark), f"{GRANTS} is not a list", "correct the file")

    def grants(self) -> Iterator[AlignedGrant]:
        """Yield each grant of the file."""
        by_tenant = {name: self.items(FileKind.GRANT, name) for name in self._by_tenant}
        counts = {len(nodes) for nodes in by_tenant.values()}
        templates = self._items(FileKind.GRANT, self._template) if self._template else []
        if self._template and counts == {len(templates)}:
            reader = _CommentReader(self._template, self.keywords)
            for index in range(len(templates)):
                nodes = {name: found[index] for name, found in by_tenant.items()}
                yield self._grant(nodes, reader, templates, index, is_template=True)
            return
        # if a placeholder is replaced by whole grants, the tenants have different grants, so no template fits all
        for name, found in by_tenant.items():
            reader = _CommentReader(self._by_tenant[name], self.keywords)
            for index, node in enumerate(found):
                yield self._grant({name: node}, reader, found, index, is_template=False)

    def _grant(
        self,
        nodes: Mapping[str, ForeignNode],
        reader: "_CommentReader",
        positions: Sequence[ForeignNode],
        index: int,
        *,
        is_template: bool,
    ) -> AlignedGrant:
        node = positions[index]
        return AlignedGrant(
            source=Source(self.file.name, *node.mark),
            keywords=self.keywords,
            nodes=nodes,
            template=node if is_template else None,
            above=tuple(reader.above(positions, index)),
            after=(*reader.closing(node), *(reader.after(node) if index + 1 == len(positions) else ())),
            inner=reader.inner(node),
        )


class _CommentReader:
    """Finds the comments that belong to a grant.

    If a comment has a deeper indent than the next grant, the comment belongs to the grant above.
    """

    def __init__(self, document: ForeignDocument, keywords: KeywordText) -> None:
        self._lines = document.lines
        self._by_line: dict[int, ForeignComment] = {each.line: each for each in document.comments}
        self._keywords = keywords
        self._first_lines: set[int] = set()
        self._last_lines: set[int] = set()
        self.inner = cache(self._inner)

    def above(self, nodes: Sequence[ForeignNode], index: int) -> Iterator[str]:
        """Yield the comments above the grant at the position `index`.

        If several grants start on the same line, the comments belong to the first of these grants.
        """
        node = nodes[index]
        first = node.mark[0]
        if first in self._first_lines:
            return
        self._first_lines.add(first)
        while self._is_alone_or_blank(first - 1) and not (index and self._is_inside(first - 1, node)):
            first -= 1
        for line in range(first, node.mark[0]):
            if line in self._by_line:
                yield self._text(self._by_line[line])

    def after(self, node: ForeignNode) -> Iterator[str]:
        """Yield the comments below the last grant of the file."""
        line = node.end + 1
        while self._is_alone_or_blank(line):
            comment = self._by_line.get(line)
            if comment and max(2, node.mark[1] - 2) <= comment.column < node.mark[1]:
                yield self._text(comment)
            line += 1

    def closing(self, node: ForeignNode) -> Iterator[str]:
        """Yield the comments below a grant that are indented at least as far as the fields of the grant.

        If several grants end on the same line, the comments belong to the first of these grants.
        """
        last = max(node.end, node.mark[0])
        if last in self._last_lines:
            return
        self._last_lines.add(last)
        for line in range(last + 1, self._last_line(node) + 1):
            if line in self._by_line:
                yield self._text(self._by_line[line])

    def _inner(self, node: ForeignNode) -> InnerComments:
        """Return the comments inside a grant, keyed by field name and list index."""
        if not isinstance(node.value, dict) or not self._by_line:
            return {}
        places = sorted(_places(node.value), key=itemgetter(0))
        above: dict[tuple[str, int | None], list[str]] = defaultdict(list)
        trailing: dict[tuple[str, int | None], list[str]] = defaultdict(list)
        for line in range(node.mark[0], max(node.end, node.mark[0]) + 1):
            comment = self._by_line.get(line)
            if comment is None or not places:
                continue
            key = _place_of(comment, node, places)
            (above if comment.is_alone else trailing)[key].append(self._text(comment))
        return {
            key: Comments(tuple(above[key]), ", ".join(filter(None, trailing[key])))
            for key in dict.fromkeys((*above, *trailing))
        }

    def _last_line(self, node: ForeignNode) -> int:
        """Return the number of the last line of a grant, including indented comments below the grant."""
        line = max(node.end, node.mark[0])
        while self._is_alone_or_blank(line + 1) and self._is_inside(line + 1, node) and line < len(self._lines):
            line += 1
        return line

    def _is_alone_or_blank(self, line: int) -> bool:
        if not 0 < line <= len(self._lines):
            return False
        comment = self._by_line.get(line)
        return comment.is_alone if comment else not self._lines[line - 1].strip()

    def _is_inside(self, line: int, node: ForeignNode) -> bool:
        comment = self._by_line.get(line)
        return comment is not None and comment.column >= node.mark[1]

    def _text(self, comment: ForeignComment) -> str:
        return self._keywords.restore(comment.text)


Place = tuple[int, str, int | None]
"""A tuple of the last line of a value, the name of the field, and the list index.

If the value is not in a list, the list index is None.
"""


def _places(fields: Mapping[str, ForeignNode]) -> Iterator[Place]:
    for name, value in fields.items():
        if not value.items:
            yield value.end, name, None
        for index, item in enumerate(value.items):
            yield item.end, name, index


def _place_of(comment: ForeignComment, node: ForeignNode, places: Sequence[Place]) -> tuple[str, int | None]:
    """Return the field, and the index of the list item, that a comment describes."""
    first = bisect_left(places, comment.line, key=itemgetter(0))
    below = bisect_right(places, comment.line, key=itemgetter(0))
    if not comment.is_alone and first < below:
        _, name, index = places[below - 1]
        # several items on one line, as in `[a, b]`: the comment describes the whole field
        return name, index if below - first == 1 else None
    if below == len(places):
        return places[-1][1], places[-1][2]
    is_above_field = not comment.is_alone or comment.column <= node.mark[1]
    return places[below][1], None if is_above_field else places[below][2]
