"""Pure: what the YAML parser complains about, in words that tell an author what to do."""

MOST_LEVELS = 32
TOO_DEEP = f"this is nested more than {MOST_LEVELS} levels deep"
WRITE_FLAT = "write it flat"
QUOTE = "put quotes around a text with special characters"

# The parser's words (libyaml 0.2) -> what is wrong, what to do.
COMPLAINTS: dict[str, tuple[str, str]] = {
    "mapping values are not allowed in this context": (
        'a ":" is not possible here',
        "put quotes around a text that has a colon in it, or mend the indentation",
    ),
    "could not find expected ':'": (
        'this line has no ":" after its key',
        'write "key: value", or mend the indentation',
    ),
    "did not find expected key": ("this does not fit the lines above", "mend the indentation, and quotes or brackets"),
    "did not find expected '-' indicator": (
        "this does not fit the list above",
        'begin the line with "- ", or mend the indentation',
    ),
    "did not find expected ',' or ']'": ('a "," or "]" is missing before this', "add it"),
    "did not find expected ',' or '}'": ('a "," or "}" is missing before this', "add it"),
    "found unexpected end of stream": ("a quote opens here and is never closed", "close it"),
    "found unknown escape character": ("this escape does not exist", "double the backslash, or use single quotes"),
    "did not find expected alphabetic or numeric character": (
        "a text cannot begin with * or & unless it is quoted",
        "put it in quotes",
    ),
    "block sequence entries are not allowed in this context": (
        'a list cannot begin with "- " on this line',
        "begin it on the next line",
    ),
    # libyaml 0.2.6 and newer look far enough ahead to say it before the loader does
    "exceeded maximum nesting depth": (TOO_DEEP, WRITE_FLAT),
}
AT_THE_OPENING = frozenset({"found unexpected end of stream"})
"""Complaints that are better shown where the thing began than where the file ended."""


def explain(complaint: str, character: str) -> tuple[str, str]:
    """Return what is wrong and what to do for the parser's `complaint` about `character`, the one it stumbled over."""
    if complaint == "found character that cannot start any token":
        if character == "\t":
            return "a tab cannot indent in YAML", "indent with spaces"
        return f"a text cannot begin with {character} unless it is quoted", "put it in quotes"
    return COMPLAINTS.get(complaint, (f"this is not valid YAML ({complaint})", QUOTE))
