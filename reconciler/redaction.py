"""Collect the secrets of a run, and remove the secrets from messages of servers and libraries.

The functions of the module `redaction` have no side effects.

Error messages from servers and libraries may quote a request, including its secrets. Secrets are removed from each
message as soon as reconciler receives the message, so no output format has to remove secrets.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import unquote

MASK = "***"
MIN_SECRET_LENGTH = 4
MIN_ENCODED_LENGTH = 8
"""Redaction also replaces encoded forms, such as base64, of secrets with at least MIN_ENCODED_LENGTH characters.

The encoded form of a very short secret may also occur in harmless text.
"""
MIN_VARIABLE_LENGTH = 8
"""In a variable with a name such as USE_TOKEN, a value with at least MIN_VARIABLE_LENGTH characters is a secret.

A short value, for example `true`, is not a secret.
"""
MIN_LENGTH_IN_DATA = 16
"""The minimum length of a secret that reconciler searches for in response data.

A very short secret may be equal to a harmless name in the response data.
"""
RUN_LENGTH = 12
"""The length of the shortest part of a secret that redaction finds.

A server may repeat only a part of a secret.
"""
MAX_MESSAGE_LENGTH = 500
MAX_SEARCHED_LENGTH = 5 * MAX_MESSAGE_LENGTH
"""reconciler searches at most MAX_SEARCHED_LENGTH characters of an error message for secrets."""
MAX_NESTED_ESCAPES = 3
"""The maximum depth of nested escapes that reconciler decodes, for example of JSON in a URL."""

SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSPHRASE|PRIVATE_KEY|API_KEY|ACCESS_KEY", re.IGNORECASE)
HARMLESS_NAME = re.compile(r"(_URL|_PATH|_FILE|_DIR|_ID|_NAME|_ALG)$", re.IGNORECASE)
PASSWORD_IN_URL = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")
JWT = re.compile(r"[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}", re.ASCII)
ESCAPE = re.compile(
    r"""(?:%|\\x|\\u00)(?P<hex>[0-9a-f]{2}) | \\u(?P<wide>[0-9a-f]{4}) | \\(?P<self>[\\/"'])
    | &\#x0*(?P<hexadecimal>[0-9a-f]{2}); | &\#0*(?P<number>[0-9]{2,3}); | &(?P<name>amp|lt|gt|quot|apos);""",
    re.IGNORECASE | re.VERBOSE,
)
"""A pattern for one escaped character in a URL, JSON, Python or HTML."""
ESCAPED = re.compile(r"[%\\&]")
NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
LOWER = {ord(letter): ord(letter.lower()) for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
"""A table for `str.translate` that converts ASCII letters to lower case.

Unlike `str.lower`, translation with the table LOWER never changes the length of a string.
"""


class Secrets:
    """The secrets of one run. Call `add` with a secret before the first request that contains the secret.

    The function `on_add` is called with each added secret.
    """

    def __init__(self, known: Iterable[str] = (), on_add: Callable[[str], None] = lambda _: None) -> None:
        self._known: set[str] = set()
        self._on_add: Callable[[str], None] = lambda _: None
        self._index: _Index | None = None
        self._forms_in_data: frozenset[str] | None = None
        self.add(*known)
        self._on_add = on_add

    def __repr__(self) -> str:
        return f"Secrets({len(self._known)})"

    def add(self, *secrets: str) -> None:
        """Add secrets. Ignore a secret with fewer than MIN_SECRET_LENGTH characters."""
        new = {secret for secret in map(str.strip, secrets) if len(secret) >= MIN_SECRET_LENGTH} - self._known
        if new:
            self._known |= new
            self._index = self._forms_in_data = None
            for secret in new:
                self._on_add(secret)

    def redact(self, text: str) -> str:
        """Replace every secret in `text`, and every part or common encoding of a secret.

        The search ignores the difference between upper and lower case.
        """
        if self._index is None:
            self._index = _index(self._known)
        hidden = bytearray(len(text))
        for view in _views(text):
            for start, end in self._index.find(view.text.translate(LOWER)):
                hidden[view.begins[start] : view.ends[end - 1]] = b"\x01" * (view.ends[end - 1] - view.begins[start])
        pieces, end = [], 0
        for found in re.finditer(rb"\x01+", hidden):
            pieces += [text[end : found.start()], MASK]
            end = found.end()
        return "".join([*pieces, text[end:]])

    def redact_message(self, text: str) -> str:
        """Remove secrets from a message of a server or library, and truncate the message."""
        return self.redact(text[:MAX_SEARCHED_LENGTH])[:MAX_MESSAGE_LENGTH]

    def occur_in(self, text: str) -> bool:
        """Return whether `text` contains a long secret in full, either unchanged or in a common encoding.

        A long secret has at least MIN_LENGTH_IN_DATA characters.
        """
        return any(self._contains(view.text) for view in _views(text)) if ESCAPED.search(text) else self._contains(text)

    def may_occur_in(self, text: str) -> bool:
        """Return whether `text` may contain a secret.

        If `may_occur_in` returns true, the caller must search each string in `text` with the slower method `occur_in`.
        """
        return ESCAPED.search(text) is not None or self._contains(text)

    def _contains(self, text: str) -> bool:
        if self._forms_in_data is None:
            long = (secret for secret in self._known if len(secret) >= MIN_LENGTH_IN_DATA)
            self._forms_in_data = frozenset(form.lower() for secret in long for form in _forms(secret))
        folded = text.lower()
        return any(form in folded for form in self._forms_in_data)


def secrets_in(environment: Mapping[str, str], on_add: Callable[[str], None] = lambda _: None) -> Secrets:
    """Return the secrets in environment variables: credentials of tenants, tokens of the job, and passwords in URLs."""
    found: list[str] = []
    for name, value in environment.items():
        has_secret_name = SECRET_NAME.search(name) and not HARMLESS_NAME.search(name)
        if (has_secret_name and len(value.strip()) >= MIN_VARIABLE_LENGTH) or JWT.fullmatch(value.strip()):
            found.append(value)
        for password in PASSWORD_IN_URL.findall(value):
            found += (password, unquote(password))
    return Secrets(found, on_add)


class EnvironmentSecrets:
    """The secrets in environment variables, grouped by the tenant that owns the variable.

    The name of a variable starts with the prefix of the tenant that owns the variable. If several prefixes match, the
    longest prefix decides. The responses of a tenant are searched only for the tenant's secrets and for secrets that
    belong to no tenant. A response cannot contain the secrets of a different tenant, because reconciler never sends the
    secrets of one tenant to a different tenant. Searching for all secrets would take time proportional to the square of
    the number of tenants.
    """

    def __init__(
        self, environment: Mapping[str, str], prefixes: Iterable[str], on_add: Callable[[str], None] = lambda _: None
    ) -> None:
        known = frozenset(prefixes)
        self._on_add = on_add
        self._variables: dict[str, dict[str, str]] = {}
        for name, value in environment.items():
            self._variables.setdefault(_owner(name, known), {})[name] = value

    def of(self, prefix: str) -> Secrets:
        """Return the secrets in variables that start with `prefix`, and in variables that belong to no tenant."""
        return secrets_in(self._variables.get("", {}) | self._variables.get(prefix, {}), self._on_add)


def _owner(name: str, prefixes: frozenset[str]) -> str:
    """Return the longest prefix of `name` in `prefixes`, or an empty string."""
    ends = (position + 1 for position in range(len(name) - 1, -1, -1) if name[position] == "_")
    return next((name[:end] for end in ends if name[:end] in prefixes), "")


class _Index(NamedTuple):
    """The strings to search for: whole short secrets in `short`, and parts of long secrets in `runs`.

    Each string in `runs` has RUN_LENGTH characters.
    """

    runs: frozenset[str]
    short: tuple[str, ...]

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        for start in range(len(text) - RUN_LENGTH + 1):
            if text[start : start + RUN_LENGTH] in self.runs:
                yield start, start + RUN_LENGTH
        for form in self.short:
            yield from (found.span() for found in re.finditer(re.escape(form), text))


def _index(secrets: Iterable[str]) -> _Index:
    forms = {form.translate(LOWER) for secret in secrets for form in _forms(secret)}
    runs = frozenset(
        form[position : position + RUN_LENGTH] for form in forms for position in range(len(form) - RUN_LENGTH + 1)
    )
    return _Index(runs, tuple(form for form in forms if len(form) < RUN_LENGTH))


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms of a secret: unchanged, decoded as Latin-1, and encoded as hexadecimal, base64 and base64url."""
    as_bytes = secret.encode("utf-8", errors="surrogateescape")
    for text in (secret, as_bytes.decode("latin-1")):
        yield from (text, text.replace(" ", "+"))  # URL form encoding replaces a space with a plus sign
    if len(secret) < MIN_ENCODED_LENGTH:
        return
    yield as_bytes.hex()
    for before in range(3):  # the base64 text of a secret depends on the number of bytes before the secret
        mixed = (0, 2, 3)[before], 0 if (before + len(as_bytes)) % 3 == 0 else 1
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * before + as_bytes).decode().rstrip("=")
            yield encoded[mixed[0] : len(encoded) - mixed[1]]


class _View(NamedTuple):
    """A string with decoded escape sequences.

    `begins` and `ends` contain the position of each character in the original string.
    """

    text: str
    begins: list[int]
    ends: list[int]


def _views(text: str) -> Iterator[_View]:
    """Yield `text`, and the results of decoding the escape sequences in `text` once, twice and three times."""
    view = _View(text, list(range(len(text))), list(range(1, len(text) + 1)))
    yield view
    for _ in range(MAX_NESTED_ESCAPES):
        if not ESCAPE.search(view.text):
            return
        view = _unescaped(view)
        yield view


def _unescaped(view: _View) -> _View:
    characters: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    position = 0
    for found in ESCAPE.finditer(view.text):
        start, end = found.span()
        characters += [*view.text[position:start], _character(found)]
        begins += [*view.begins[position:start], view.begins[start]]
        ends += [*view.ends[position:start], view.ends[end - 1]]
        position = end
    return _View(
        "".join([*characters, view.text[position:]]), [*begins, *view.begins[position:]], [*ends, *view.ends[position:]]
    )


def _character(escape: re.Match[str]) -> str:
    code = escape["hex"] or escape["wide"] or escape["hexadecimal"]
    if code:
        return chr(int(code, 16))
    if escape["number"]:
        return chr(int(escape["number"]))
    return NAMED[escape["name"].lower()] if escape["name"] else escape["self"]
