"""Pure: the keywords of auth0-deploy-cli, which it replaces in the text of a file before it parses the file.

`##KEY##` becomes the text of the value. `@@KEY@@` becomes the value in JSON, and quotes around this marker disappear.
Source: keywordReplace in auth0-deploy-cli 8.44, file src/tools/utils.ts.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reconciler.core.expressible import CONTROL_CHARACTER, MAX_TEXT_LENGTH
from reconciler.core.tenant_filter import BUILT_IN, VARIABLE_NAME, escape_variables

USUAL_KEY = r"[A-Za-z0-9_]+"


@dataclass(frozen=True, slots=True)
class Keyword:
    """A use of a keyword. `marker` is the text in the file. `is_json` is true for `@@KEY@@`."""

    key: str
    marker: str
    is_json: bool


def replace_keywords(text: str, mappings: Mapping[str, object]) -> str:
    """Replace keywords like auth0-deploy-cli. A keyword without a value stays as it is."""
    for key, value in mappings.items():
        marker = re.escape(f"@@{key}@@")
        inserted = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        text = re.sub(f"'{marker}'|\"{marker}\"|{marker}", inserted.replace("\\", "\\\\"), text)
    for key, value in mappings.items():
        text = text.replace(f"##{key}##", to_text(value))
    return text


def to_text(value: object) -> str:
    """Convert a JSON value to text like JavaScript."""
    match value:
        case str():
            return value
        case bool() | None:
            return json.dumps(value)
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return ",".join("" if each is None else to_text(each) for each in value)
        case dict():
            return "[object Object]"
        case _:
            return str(value)


class KeywordText:
    """The text of a file with a token instead of each marker. Every YAML parser reads a token as plain text."""

    def __init__(self, text: str, keys: Collection[str], *, is_json: bool = False) -> None:
        known = "|".join([*map(re.escape, sorted(keys, key=len, reverse=True)), USUAL_KEY])
        marker = re.compile(rf"(?P<quote>['\"]?)@@(?P<json>{known})@@(?P=quote)|##(?P<text>{known})##")
        self._prefix = "kq"
        while self._prefix in text:
            self._prefix += "q"
        self.keywords: dict[str, Keyword] = {}
        self._quote = '"' if is_json else ""
        self.text = marker.sub(self._token, text)
        self._tokens = re.compile(rf"{self._prefix}[0-9]+z")

    def _token(self, found: re.Match[str]) -> str:
        token = f"{self._prefix}{len(self.keywords)}z"
        is_json = found["json"] is not None
        self.keywords[token] = Keyword(found["json"] or found["text"], found[0], is_json)
        return f"{self._quote}{token}{self._quote}" if is_json else token

    def without_missing(self, mappings: Mapping[str, object], original: str) -> str:
        """Return the text that auth0-deploy-cli parses, with tokens for keywords that have no value."""
        text = replace_keywords(original, mappings)
        for token, keyword in self.keywords.items():
            if keyword.key not in mappings:
                quote = self._quote if keyword.is_json else ""
                text = text.replace(keyword.marker, f"{quote}{token}{quote}", 1)
        return text

    def restore(self, text: str) -> str:
        """Return `text` with markers instead of tokens."""
        if not self.keywords:
            return text
        return "".join(each if isinstance(each, str) else each.marker for each in self.parts(text))

    def parts(self, text: str) -> list[str | Keyword]:
        """Split `text` into literal parts and keywords."""
        parts: list[str | Keyword] = []
        start = 0
        for found in self._tokens.finditer(text):
            keyword = self.keywords.get(found[0])
            if keyword is not None:
                parts += [text[start : found.start()], keyword]
                start = found.end()
        return [each for each in (*parts, text[start:]) if each]


def variable_value(key: str, mappings: Mapping[str, object]) -> str | None:
    """Return the text that `##KEY##` becomes, or None if it cannot be the value of a variable."""
    if isinstance(mappings.get(key), list | dict | None):
        return None
    value = replace_keywords(f"##{key}##", mappings)
    return value if 0 < len(value) <= MAX_TEXT_LENGTH and not CONTROL_CHARACTER.search(value) else None


class VariableNames:
    """Gives each keyword the name of a variable. A key that is a valid name stays as it is."""

    def __init__(self, keys: Collection[str]) -> None:
        self._names: dict[str, str] = {}
        taken = {BUILT_IN}
        is_valid = re.compile(VARIABLE_NAME).fullmatch
        for key in sorted(keys, key=lambda each: (not is_valid(each), each)):
            base = name = key if is_valid(key) else re.sub("[^A-Za-z0-9_]", "_", f"k_{key}")
            number = 1
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name)
            self._names[key] = name

    def __getitem__(self, key: str) -> str:
        """Return the name of the variable."""
        return self._names[key]

    def template(self, parts: list[str | Keyword], domain_keys: Collection[str]) -> str:
        """Return the text for a grant file. Keywords in `domain_keys` have the tenant's domain as their value."""
        return "".join(
            escape_variables(each)
            if isinstance(each, str)
            else f"${{{BUILT_IN if each.key in domain_keys else self[each.key]}}}"
            for each in parts
        )
