"""Answers that were altered on their way: never a traceback, never a wrong write, always the right exit code.

A real tenant answers; one answer of each run is altered before the command sees it. FUZZ_ROUNDS sets how often.
"""

import base64
import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support.commands import DATABASE, DOMAIN, SECRET, a_workspace, grants_of, reconciler, served

from auth0_sandbox.tenant import reset

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "2"))
SHARDS = 8
SEED = f"""
tool: {{name: Reconciler, client_id: own, client_secret: {SECRET}}}
applications:
  - {{name: Billing, client_id: billing, client_secret: {SECRET}-of-billing}}
  - {{name: Portal, client_id: portal}}
  - {{name: Partner, client_id: partner}}
  - {{name: Shop, client_id: shop}}
apis:
  - {{name: Invoices API, identifier: https://api.example.com/invoices, scopes: ["read:invoices", "write:invoices"]}}
organizations: [{{name: acme}}, {{name: globex}}, {{name: initech}}]
grants:
  - {{client: Portal, api: Invoices API, scope: ["read:invoices"]}}
  - {{client: Shop, api: Invoices API, scope: ["read:invoices"]}}
  - client: Partner
    api: Invoices API
    scope: ["read:invoices"]
    organization_usage: require
    organizations: [acme, initech]
"""
DECLARED = """
grants:
  - {client: Billing, api: Invoices API, scope: ["read:invoices"], organization_usage: allow, organizations: [acme]}
  - {client: Portal, api: Invoices API, scope: ["read:invoices", "write:invoices"]}
  - client: Partner
    api: Invoices API
    scope: ["write:invoices"]
    organization_usage: require
    organizations: [acme, globex]
"""

Mutate = Callable[[random.Random, bytes], bytes]


class Raw(str):
    """JSON that no value of Python can be written as."""

    __slots__ = ()


ODD: tuple[object, ...] = (
    *(None, True, False, 0, 5, -1, 1.5, "", "x", ".", "..", "../..", "a/b", "a\x00b", "a\nb", "é", "\ud800", "\udcff"),
    *(
        "%2e%2e",
        "null",
        "\u202e",
        "x" * 3_000,
        "x" * 70_000,
        "é" * 30_000,
        "😀" * 9_000,
        [],
        {},
        [[]],
        [{}],
        [None],
        [5],
    ),
    *({"id": 5}, ["x"] * 5_000, {"x" * 70_000: 1}, {"..": "..", "\ud800": "\ud800"}, [["a"] * 100] * 100),
    *(Raw("1e400"), Raw("-1e400"), Raw("NaN"), Raw("-Infinity"), Raw("1" + "0" * 400), Raw("9" * 5_000), Raw("1E5")),
    *(Raw("[" * 500 + "]" * 500), Raw("[" * 100_000), Raw('{"a":' * 500 + "1" + "}" * 500), Raw('"\\u0000"'), Raw("{")),
    *(Raw('"\\ud800\\ud800"'), Raw('"\\x"'), Raw('"a\tb"'), Raw(""), Raw('{"id":"a","id":"b"}')),
)


def written(value: object) -> str:
    match value:
        case Raw():
            return value
        case dict():
            return "{" + ",".join(f"{json.dumps(str(name))}:{written(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ",".join(map(written, value)) + "]"
        case _:
            return json.dumps(value)


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[name], (*path, name))


def in_the_content(chance: random.Random, body: bytes) -> bytes:
    """Alter one value, or one key, anywhere in the JSON."""
    content = [json.loads(body)]
    path = chance.choice(list(places(content[0])))
    holder: Any = content
    for name in (0, *path)[:-1]:
        holder = holder[name]
    name, odd = (0, *path)[-1], chance.choice(ODD)
    match chance.choice(["replace", "replace", "replace", "remove", "again", "add"]), holder:
        case "remove", dict() | list():
            del holder[name]
        case "again", list():
            holder += [holder[name]] * chance.choice([1, 300])
        case "again", dict():
            pair = f"{json.dumps(name)}:{written(odd)}"
            holder[name] = Raw(f"{written(holder[name])},{pair}")
        case "add", dict():
            holder[chance.choice(["", "\ud800", "x" * 9_000, "next", "total", "scope", "is_system", "new"])] = odd
        case _:
            holder[name] = odd
    return "".join(map(written, content)).encode("utf-8", errors="surrogatepass")


def as_a_whole(chance: random.Random, body: bytes) -> bytes:
    """Alter the bytes."""
    at = chance.randrange(len(body) + 1)
    alterations: list[Callable[[], bytes]] = [
        lambda: body[:at],
        lambda: body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :],
        lambda: body[:at] + b"\xed\xa0\x80" + body[at:],
        lambda: body + b"x",
        lambda: body + body,
        lambda: body.decode().encode("utf-16"),
        lambda: body.decode().encode("utf-32"),
        lambda: b"\xef\xbb\xbf" + body,
        lambda: b"\xff" * 1000,
        lambda: b" " * 11_000_000 + body,
        lambda: b"",
        lambda: written(chance.choice(ODD)).encode("utf-8", errors="surrogatepass"),
    ]
    return chance.choice(alterations)()


HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"content-encoding": "gzip"},
    {"content-encoding": "x" * 5_000},
    {"x-ratelimit-limit": "1e400", "x-ratelimit-remaining": "nan", "x-ratelimit-reset": "-1"},
    {"x-ratelimit-limit": "9" * 400, "x-ratelimit-remaining": "9" * 5_000, "x-ratelimit-reset": "9" * 400},
    {"date": "Mon, 00 Jan 0000 99:99:99 +9999", "retry-after": "Thu, 01 Jan 9999 00:00:00 GMT"},
    {"date": "x", "retry-after": ""},
    {"set-cookie": "a=b; expires=x; max-age=" + "9" * 400, "link": "<x>; rel=next"},
    {"content-type": "text/html; charset=utf-7"},
    {"location": "https://elsewhere.example.com/"},
)
STATUSES = (200, 200, 200, 200, 201, 204, 299, 301, 400, 401, 403, 404, 409, 408, 418, 500, 503)


CLAIMS = ("aud", "azp", "sub", "scope", "exp", "gty")


def in_the_claims(chance: random.Random, body: bytes) -> tuple[bytes, str, str]:
    """Alter a claim of the access token; return the answer, the altered token and the real one."""
    answer = json.loads(body)
    real: str = answer["access_token"]
    head, payload, signature = real.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    name, odd = chance.choice(CLAIMS), chance.choice(ODD)
    if chance.randrange(4):
        claims[name] = odd
    else:
        claims.pop(name, None)
    altered = base64.urlsafe_b64encode(written(claims).encode("utf-8", errors="surrogatepass")).decode().rstrip("=")
    token = f"{head}.{altered}.{signature}"
    return json.dumps({**answer, "access_token": token}).encode(), token, real


@dataclass
class Alteration:
    """Alters the answer to request number `at`; counts requests. The tenant takes altered tokens for the real ones."""

    chance: random.Random = field(default_factory=lambda: random.Random(0))
    at: int = -1
    count: int = 0
    tokens: dict[str, str] = field(default_factory=dict)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def altered(scope: Scope, receive: Receive, send: Send) -> None:
            number, self.count = self.count, self.count + 1
            scope["headers"] = [(name, self._real(value)) for name, value in scope["headers"]]
            if number != self.at:
                await app(scope, receive, send)
                return
            said: list[Message] = []

            async def keep(message: Message) -> None:
                said.append(message)

            await app(scope, receive, keep)
            body = b"".join(message.get("body", b"") for message in said)
            status: int = said[0]["status"]
            extra: dict[str, str] = {}
            match self.chance.randrange(10):
                case 0 | 1 | 2 | 3 | 4 if scope["path"] == "/oauth/token":
                    body, token, real = in_the_claims(self.chance, body)
                    self.tokens = {f"Bearer {token}": f"Bearer {real}"}
                case 0:
                    status, extra = self.chance.choice(STATUSES), self.chance.choice(HEADERS)
                case 1:
                    body = as_a_whole(self.chance, body)
                case 2:
                    body = as_a_whole(self.chance, body)
                    status, extra = self.chance.choice(STATUSES), self.chance.choice(HEADERS)
                case _:
                    body = in_the_content(self.chance, body) if body else as_a_whole(self.chance, body)
            kept = [(name, value) for name, value in said[0]["headers"] if name != b"content-length"]
            kept += [(name.encode(), value.encode()) for name, value in extra.items()]
            kept.append((b"content-length", b"0" if status == 204 else str(len(body)).encode()))
            await send({"type": "http.response.start", "status": status, "headers": kept})
            await send({"type": "http.response.body", "body": b"" if status == 204 else body})

        return altered

    def _real(self, header: bytes) -> bytes:
        text = header.decode("latin-1")
        return self.tokens.get(text, text).encode("latin-1")


@dataclass(frozen=True)
class Place:
    """A served tenant whose answers can be altered, with what it has before and after a good run."""

    folder: Path
    alteration: Alteration
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def state(self) -> dict[str, Any]:
        return {f"{each['client_id']} {each['audience']}": each for each in grants_of(self.folder)}

    def run(self, *arguments: str, at: int = -1, chance: random.Random | None = None) -> tuple[int, str]:
        reset(self.folder / DATABASE, self.folder / "tenant.yaml", DOMAIN)
        shutil.rmtree(self.folder / "grants" / "imported", ignore_errors=True)
        self.alteration.at, self.alteration.count = at, 0
        self.alteration.chance = chance or random.Random(0)
        ran = reconciler(*arguments)
        assert len(ran.output) < 100_000
        return ran.code, ran.output


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Iterator[Place]:
    folder = a_workspace(tmp_path_factory.mktemp("place"), patch, tenant=SEED, **{"grants/billing": DECLARED})
    alteration = Alteration()
    with served(folder, alteration.middleware) as environment:
        patch.setenv("AUTH0_AUDIENCE", f"https://{DOMAIN}/api/v2/")
        for name, value in environment.items():
            patch.setenv(name, value)
        place = Place(folder, alteration, {}, {})
        before = place.state()
        code, said = place.run("apply", "--yes", "--attempts", "2")
        assert code == 0, said
        yield Place(folder, alteration, before, place.state())


def is_between(now: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether every grant has values that it had before or is to have after."""
    return all(
        name in {**before, **after}
        and all(
            value in [each.get(name, {}).get(key) for each in (before, after)]
            or is_on_the_way(key, value, before, after)
            for key, value in grant.items()
        )
        for name, grant in now.items()
    )


def is_on_the_way(key: str, value: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return whether these are organizations some of which come and some go."""
    known = {one for state in (before, after) for grant in state.values() for one in grant.get("organizations", ())}
    return key == "organizations" and known.issuperset(value)


READING = (["plan", "-v"], ["list"], ["list", "--format", "json"], ["doctor"], ["import", "--out", "grants/imported"])


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_command_that_reads_an_altered_answer_writes_nothing_to_the_tenant(
    place: Place, command: list[str], shard: int
) -> None:
    place.run(*command)
    requests = place.alteration.count
    for number in range(ROUNDS):
        chance = random.Random(f"{command} {shard} {number}")
        code, said = place.run(*command, at=chance.randrange(requests), chance=chance)

        assert code in {0, 1}, (shard, number, code, said)
        assert code == 0 or said, (shard, number)
        assert place.state() == place.before


@pytest.mark.parametrize("shard", range(SHARDS))
def test_an_apply_with_an_altered_answer_writes_nothing_else_and_tells_the_truth(place: Place, shard: int) -> None:
    place.run("apply", "--yes", "--attempts", "2")
    requests = place.alteration.count
    for number in range(ROUNDS):
        chance = random.Random(f"apply {shard} {number}")
        at = chance.randrange(requests)
        code, said = place.run("apply", "--yes", "--attempts", "2", at=at, chance=chance)
        now = place.state()

        assert code in {0, 1, 3, 4}, (shard, number, at, code, said)
        assert is_between(now, place.before, place.after), (shard, number, at, now, said)
        assert code != 0 or now == place.after, (shard, number, at, now, said)
        assert code not in {1, 4} or now == place.before, (shard, number, at, now, said)
