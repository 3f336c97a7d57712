"""Pure: the secrets of a run, and the filter that removes them from text of servers and libraries.

Error texts of servers and libraries may repeat what was sent to them. They pass this filter where they enter the
program, so no output format needs its own filter.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

MASK = "***"
SHORTEST_SECRET = 4
SHORTEST_ENCODED = 8
"""Encodings of shorter secrets have only a few characters, which occur in harmless text."""
SHORTEST_VARIABLE = 8
"""Shorter values of variables with a suspicious name are not secrets: `true` is not a token."""
SHORTEST_IN_DATA = 16
"""Only longer secrets make a value of a response suspicious: a tenant may call an API `secret`."""
RUN = 12
"""The number of consecutive characters of a secret that are removed. A server may truncate what it repeats."""
MOST_ESCAPES = 3
"""The maximum depth of nested escapes that is searched."""

SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSPHRASE|PRIVATE_KEY|API_KEY|ACCESS_KEY", re.IGNORECASE)
HARMLESS_NAME = re.compile(r"(_URL|_PATH|_FILE|_DIR|_ID|_NAME|_ALG)$", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")
JWT = re.compile(r"[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}", re.ASCII)
ESCAPE = re.compile(
    r"""(?:%|\\x|\\u00)(?P<hex>[0-9a-f]{2}) | \\u(?P<wide>[0-9a-f]{4}) | \\(?P<self>[\\/"'])
    | &\#x0*(?P<hexadecimal>[0-9a-f]{2}); | &\#0*(?P<number>[0-9]{2,3}); | &(?P<name>amp|lt|gt|quot|apos);""",
    re.IGNORECASE | re.VERBOSE,
)
"""A character in an escape of URLs, JSON, Python or HTML."""
ESCAPED = re.compile(r"[%\\&]")
NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
LOWER = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
"""Lower-case letters by code point. Unlike `str.lower`, this keeps the length of a text."""


class Secrets:
    """The secrets of one run. Add each secret before it is sent anywhere.

    `announce` receives each secret that is added.
    """

    def __init__(self, known: Iterable[str] = (), announce: Callable[[str], None] = lambda _: None) -> None:
        self._known: set[str] = set()
        self._announce: Callable[[str], None] = lambda _: None
        self._index: _Index | None = None
        self._in_data: frozenset[str] | None = None
        self.add(*known)
        self._announce = announce

    def __repr__(self) -> str:
        return f"Secrets({len(self._known)})"

    def add(self, *secrets: str) -> None:
        """Add secrets. Texts that are too short for a secret are ignored."""
        new = {secret for secret in map(str.strip, secrets) if len(secret) >= SHORTEST_SECRET} - self._known
        if new:
            self._known |= new
            self._index = self._in_data = None
            for secret in new:
                self._announce(secret)

    def redact(self, text: str) -> str:
        """Return `text` with every secret replaced: whole or truncated, in common encodings, in any letter case."""
        if self._index is None:
            self._index = _index(self._known)
        hidden = bytearray(len(text))
        for view in _views(text):
            for start, end in self._index.found_in(view.text.translate(LOWER)):
                hidden[view.begins[start] : view.ends[end - 1]] = b"\x01" * (view.ends[end - 1] - view.begins[start])
        pieces, end = [], 0
        for found in re.finditer(rb"\x01+", hidden):
            pieces += [text[end : found.start()], MASK]
            end = found.end()
        return "".join([*pieces, text[end:]])

    def occur_in(self, text: str) -> bool:
        """Return whether `text` contains a long secret: whole, in common encodings, in any letter case."""
        return any(self._contains(view.text) for view in _views(text)) if ESCAPED.search(text) else self._contains(text)

    def may_occur_in(self, text: str) -> bool:
        """Return whether parts of a long text must be checked with `occur_in`."""
        return ESCAPED.search(text) is not None or self._contains(text)

    def _contains(self, text: str) -> bool:
        if self._in_data is None:
            long = (secret for secret in self._known if len(secret) >= SHORTEST_IN_DATA)
            self._in_data = frozenset(form.lower() for secret in long for form in _forms(secret))
        folded = text.lower()
        return any(form in folded for form in self._in_data)


def secrets_in(environment: Mapping[str, str], announce: Callable[[str], None] = lambda _: None) -> Secrets:
    """Return the secrets in environment variables: credentials of all tenants, tokens of the job, passwords in URLs."""
    return Secrets(_found_in(environment), announce)


def _found_in(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        sounds_secret = SECRET_NAME.search(name) and not HARMLESS_NAME.search(name)
        if (sounds_secret and len(value.strip()) >= SHORTEST_VARIABLE) or JWT.fullmatch(value.strip()):
            yield value
        for password in PASSWORD_IN_URL.findall(value):
            yield from (password, unquote(password))


@dataclass(frozen=True, slots=True)
class _Index:
    """Substrings of secrets with one length, and the secrets that are shorter."""

    runs: frozenset[str]
    short: tuple[str, ...]

    def found_in(self, text: str) -> Iterator[tuple[int, int]]:
        for start in range(len(text) - RUN + 1):
            if text[start : start + RUN] in self.runs:
                yield start, start + RUN
        for form in self.short:
            yield from (found.span() for found in re.finditer(re.escape(form), text))


def _index(secrets: Iterable[str]) -> _Index:
    forms = {form.translate(LOWER) for secret in secrets for form in _forms(secret)}
    runs = frozenset(form[at : at + RUN] for form in forms for at in range(len(form) - RUN + 1))
    return _Index(runs, tuple(form for form in forms if len(form) < RUN))


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is, decoded as Latin-1, and in hexadecimal, base64 and base64url."""
    as_bytes = secret.encode("utf-8", errors="surrogateescape")
    for text in (secret, as_bytes.decode("latin-1")):
        yield from (text, text.replace(" ", "+"))  # forms encode spaces as +
    if len(secret) < SHORTEST_ENCODED:
        return
    yield as_bytes.hex()
    for before in range(3):  # preceding bytes shift the base64 form of the secret
        mixed = (0, 2, 3)[before], 0 if (before + len(as_bytes)) % 3 == 0 else 1
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * before + as_bytes).decode().rstrip("=")
            yield encoded[mixed[0] : len(encoded) - mixed[1]]


@dataclass(frozen=True, slots=True)
class _View:
    """A text without its escapes, with the start and end of each character in the original text."""

    text: str
    begins: list[int]
    ends: list[int]


def _views(text: str) -> Iterator[_View]:
    """Yield a text as it is, and with one further level of escapes removed each time."""
    view = _View(text, list(range(len(text))), list(range(1, len(text) + 1)))
    yield view
    for _ in range(MOST_ESCAPES):
        if not ESCAPE.search(view.text):
            return
        view = _unescaped(view)
        yield view


def _unescaped(view: _View) -> _View:
    characters: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    at = 0
    for found in ESCAPE.finditer(view.text):
        start, end = found.span()
        characters += [*view.text[at:start], _character(found)]
        begins += [*view.begins[at:start], view.begins[start]]
        ends += [*view.ends[at:start], view.ends[end - 1]]
        at = end
    return _View("".join([*characters, view.text[at:]]), [*begins, *view.begins[at:]], [*ends, *view.ends[at:]])


def _character(escape: re.Match[str]) -> str:
    code = escape["hex"] or escape["wide"] or escape["hexadecimal"]
    if code:
        return chr(int(code, 16))
    if escape["number"]:
        return chr(int(escape["number"]))
    return NAMED[escape["name"].lower()] if escape["name"] else escape["self"]
