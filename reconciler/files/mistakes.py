"""Explain common mistakes in invalid files: conflict markers, missing spaces, and syntax of other tools.

The YAML parser and the schema can report one mistake as several problems or at a wrong line. For a common mistake, this
module reports one problem at the line of the mistake.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.characters import quote_text
from reconciler.core.problems import Problem, Severity, Source, errors
from reconciler.files.layout import read_layout

KEYWORD = re.compile(r"(?P<quote>##|@@)(?P<name>[A-Za-z0-9_]+)(?P=quote)")
"""Matches a placeholder of auth0-deploy-cli, for example `##ENV##` or `@@SCOPES@@`."""
CONFLICT = re.compile(r"^(?:<{7}|\|{7}|={7}|>{7})(?: .*)?\r?$", re.MULTILINE)
CONFLICT_START = re.compile(r"^<{7}(?: (?P<name>.*))?\r?$", re.MULTILINE)
MAX_CHARACTERS = 50_000
"""The maximum length, in characters, of a file that reconciler searches for missing spaces.

To find missing spaces, reconciler parses a file several times. Parsing a large file several times is too slow.
"""
MAX_ATTEMPTS = 8
TEXT_NOT_MAPPING = "is text, not a mapping"
"""The end of the error message for a list item without a space after the colon, such as `- client:Billing`."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The problems of a file. `is_complete` is true if the parser reached the end of the file."""

    is_complete: bool
    problems: tuple[Problem, ...]

    @property
    def quality(self) -> tuple[int, int, int]:
        """A sort key that is greater for a better check result.

        A result without a syntax error is better than a result with a syntax error. Of two results with a syntax error,
        the result with the later syntax error is better. Of two results without a syntax error, the result with fewer
        errors is better.
        """
        if self.is_complete:
            return (1, 0, -len(errors(self.problems)))
        return (0, max((problem.source.line for problem in self.problems), default=0), 0)


@dataclass(frozen=True, slots=True)
class ForeignSyntax:
    """A pattern that finds the syntax of another tool in a grant file, and the message about the syntax.

    If `is_whole_file` is true, a match of the pattern means that the whole file was written for another tool.

    `what` and `fix` are message templates. In a template, `{found}` stands for the text that the regular expression
    `pattern` matched. The placeholder `{name}` stands for the group `name` of the match.
    """

    pattern: re.Pattern[str]
    what: str
    fix: str
    is_whole_file: bool = False


def _key(names: str) -> re.Pattern[str]:
    return re.compile(rf"^[\s{{-]*[\"']?(?P<name>{names})[\"']?\s*:")


FOREIGN: tuple[ForeignSyntax, ...] = (
    ForeignSyntax(
        _key("clientGrants"),
        "this is a file of auth0-deploy-cli",
        'import the file (reconciler import --from deploy-cli FILE), or write the grants under "grants:"',
        is_whole_file=True,
    ),
    ForeignSyntax(
        re.compile(r"^\s*(?P<name>resource|data|removed|moved|module|provider)\b[^#\n:]*\{\s*$"),
        "this is a Terraform configuration",
        "write the state to a file (terraform show -json > state.json), and import it (reconciler import --from "
        "terraform state.json)",
        is_whole_file=True,
    ),
    ForeignSyntax(
        KEYWORD,
        "{found} is a keyword of auth0-deploy-cli, and reconciler does not replace keywords",
        'write "${{{name}}}" and define it under variables in reconciler.yaml, or "@{name}" and define it under '
        "scope_sets",
    ),
    ForeignSyntax(
        _key("id"),
        "a grant in a file has no id: application, API and subject type identify the grant",
        "remove this line",
    ),
    ForeignSyntax(
        _key("AUTH0_ALLOW_DELETE"),
        "{name} is a setting of auth0-deploy-cli",
        "remove the setting: reconciler deletes only with --prune-removed or --prune",
    ),
    ForeignSyntax(
        _key(r"AUTH0_KEYWORD_REPLACE_MAPPINGS"),
        "{name} is a setting of auth0-deploy-cli",
        "define the values of each tenant under variables in reconciler.yaml",
    ),
    ForeignSyntax(
        _key(r"(?:AUTH0_)?(?:EXCLUDED|INCLUDED)[A-Z_]*"),
        "{name} is a setting of auth0-deploy-cli",
        "under protect in reconciler.yaml, list the grants that reconciler must not change",
    ),
)


def explain_mistakes(
    text: str, file: str, found: CheckResult, schema: Mapping[str, Any], check: Callable[[str], CheckResult]
) -> tuple[Problem, ...]:
    """Return the problems of a file.

    A common mistake is reported once, at the line of the mistake, instead of the problems that the mistake causes.

    `found` contains the problems that the parser and the schema found. `check` parses and validates a changed version
    of the file content.
    """
    if conflicts := tuple(_conflicts(text, file)):
        return conflicts
    whole_file = [problem for each in FOREIGN if each.is_whole_file for problem in _foreign(text, file, each)]
    if whole_file:
        return (min(whole_file),)
    spaces, found = _missing_spaces(text, file, found, schema, check)
    lines = {problem.source.line for problem in found.problems}
    foreign = {
        problem.source.line: problem
        for each in reversed(FOREIGN)
        for problem in _foreign(text, file, each)
        if problem.source.line in lines
    }
    others = (problem for problem in found.problems if problem.source.line not in foreign)
    return tuple(sorted({*spaces, *foreign.values(), *others}))


def keyword_comments(text: str, file: str) -> Iterator[Problem]:
    """Yield a warning for each placeholder of auth0-deploy-cli (such as `##ENV##`) that YAML reads as a comment.

    `text` is the text of a valid file. For example, YAML reads `client: Portal ##ENV##` as the application name
    `Portal` and the comment `##ENV##`.
    """
    if not KEYWORD.search(text):
        return
    comments = read_layout(text).comments
    if not any(KEYWORD.match(comment) for comment in comments):
        return
    for number, line in enumerate(text.splitlines(), start=1):
        found = re.search(r"\S[ \t]+(##[A-Za-z0-9_]+##)", line)
        if found and not line.lstrip().startswith("#") and line[found.start(1) :].rstrip() in comments:
            what = f"{found[1]} is a comment in YAML, so it is not part of the value"
            fix = f'write "${{{found[1].strip("#")}}}" in quotes, or remove the comment'
            yield Problem(Source(file, number, found.start(1) + 1), what, fix, Severity.WARNING)


ATTACHED_COMMENT = re.compile(
    r"^[ \t-]*(?:client|client_id|api|audience|description)[ \t]*:[ \t]+"  # matches a key whose value is a string
    r"[^\s\"'#|>&*!\[{][^#\n]*?[ \t]"  # matches a value without quotes
    r"(?P<comment>#[^\s#][^\n]*)",
    re.MULTILINE,
)
"""Matches a value like `Team #1`. YAML reads `#1` as a comment."""


def attached_comments(text: str, file: str) -> Iterator[Problem]:
    """Yield a warning for each YAML comment that was probably meant as a part of a name, such as `#1` in `Team #1`.

    `text` is the text of a valid file.
    """
    for found in ATTACHED_COMMENT.finditer(text):
        line = _line_of(text, found.start("comment"))
        column = found.start("comment") - text.rfind("\n", 0, found.start("comment"))
        what = f"{quote_text(found['comment'].rstrip())} is a comment in YAML, so it is not part of the value"
        fix = 'write the value in quotes, or a space after "#"'
        yield Problem(Source(file, line, column), what, fix, Severity.WARNING)


def _conflicts(text: str, file: str) -> Iterator[Problem]:
    """Yield a problem for each merge conflict that git left in the file."""
    what, fix = "git left a merge conflict here", "keep one of the two versions, and remove the conflict markers"
    starts = list(CONFLICT_START.finditer(text))
    for found in starts or list(CONFLICT.finditer(text))[:1]:
        yield Problem(Source(file, _line_of(text, found.start()), 1), what, fix)


def _foreign(text: str, file: str, syntax: ForeignSyntax) -> Iterator[Problem]:
    for number, line in enumerate(text.splitlines(), start=1):
        found = syntax.pattern.search(line)
        if found is None:
            continue
        groups = {"found": found[0].strip(), "name": found["name"]}
        column = found.start("quote" if "quote" in found.groupdict() else "name") + 1
        yield Problem(Source(file, number, column), syntax.what.format(**groups), syntax.fix.format(**groups))


def _missing_spaces(
    text: str, file: str, found: CheckResult, schema: Mapping[str, Any], check: Callable[[str], CheckResult]
) -> tuple[list[Problem], CheckResult]:
    """Return a problem for each key without a space after the colon, and the check result for the corrected text.

    The function reports a missing space only if inserting the space solves a problem.
    """
    if len(text) > MAX_CHARACTERS:
        return [], found
    keys = "|".join(sorted(map(re.escape, set(_names_in(schema))), key=len, reverse=True))
    pattern = re.compile(rf"^(?P<start> *(?:- +)?(?P<key>{keys}):)(?P<value>\S.*)$")
    lines = text.splitlines(keepends=True)
    problems: list[Problem] = []
    candidates = [(number, match) for number, line in enumerate(lines) if (match := pattern.match(line.rstrip("\r\n")))]
    for number, match in candidates[:MAX_ATTEMPTS]:
        changed = [*lines]
        changed[number] = f"{match['start']} {lines[number][match.end('start') :]}"
        result = check("".join(changed))
        is_text = any(
            problem.source.line == number + 1 and problem.what.endswith(TEXT_NOT_MAPPING) for problem in found.problems
        )
        if result.quality > found.quality or (is_text and result.quality == found.quality):
            lines, found = changed, result
            what = f'"{match["key"]}:" has no space after the colon'
            fix = f'write "{match["key"]}: {match["value"][:40]}"'
            problems.append(Problem(Source(file, number + 1, match.end("start") + 1), what, fix))
    return problems, found


def _names_in(schema: object) -> Iterator[str]:
    match schema:
        case dict():
            properties = schema.get("properties")
            yield from properties if isinstance(properties, dict) else ()
            for each in schema.values():
                yield from _names_in(each)
        case list():
            for each in schema:
                yield from _names_in(each)
        case _:
            pass


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
