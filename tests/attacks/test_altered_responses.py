"""Altered responses must never cause a traceback, a wrong write or a wrong exit code.

Each run alters one response of a sandbox before the command receives it. FUZZ_ROUNDS sets the number of rounds.
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
    """JSON text that no Python value produces."""

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


def to_json(value: object) -> str:
    match value:
        case Raw():
            return value
        case dict():
            return "{" + ",".join(f"{json.dumps(str(name))}:{to_json(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ",".join(map(to_json, value)) + "]"
        case _:
            return json.dumps(value)


def value_paths(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for name in value if isinstance(value, dict) else range(len(value)):
            yield from value_paths(value[name], (*path, name))


def alter_content(rng: random.Random, body: bytes) -> bytes:
    """Alter one value or one key anywhere in the JSON."""
    content = [json.loads(body)]
    path = rng.choice(list(value_paths(content[0])))
    holder: Any = content
    for name in (0, *path)[:-1]:
        holder = holder[name]
    name, odd = (0, *path)[-1], rng.choice(ODD)
    match rng.choice(["replace", "replace", "replace", "remove", "again", "add"]), holder:
        case "remove", dict() | list():
            del holder[name]
        case "again", list():
            holder += [holder[name]] * rng.choice([1, 300])
        case "again", dict():
            pair = f"{json.dumps(name)}:{to_json(odd)}"
            holder[name] = Raw(f"{to_json(holder[name])},{pair}")
        case "add", dict():
            holder[rng.choice(["", "\ud800", "x" * 9_000, "next", "total", "scope", "is_system", "new"])] = odd
        case _:
            holder[name] = odd
    return "".join(map(to_json, content)).encode("utf-8", errors="surrogatepass")


def alter_bytes(rng: random.Random, body: bytes) -> bytes:
    """Alter the bytes."""
    number = rng.randrange(len(body) + 1)
    alterations: list[Callable[[], bytes]] = [
        lambda: body[:number],
        lambda: body[:number] + bytes([rng.randrange(256)]) + body[number + 1 :],
        lambda: body[:number] + b"\xed\xa0\x80" + body[number:],
        lambda: body + b"x",
        lambda: body + body,
        lambda: body.decode().encode("utf-16"),
        lambda: body.decode().encode("utf-32"),
        lambda: b"\xef\xbb\xbf" + body,
        lambda: b"\xff" * 1000,
        lambda: b" " * 11_000_000 + body,
        lambda: b"",
        lambda: to_json(rng.choice(ODD)).encode("utf-8", errors="surrogatepass"),
    ]
    return rng.choice(alterations)()


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


def alter_claims(rng: random.Random, body: bytes) -> tuple[bytes, str, str]:
    """Alter a claim of the access token. Return the body, the altered token and the real token."""
    content = json.loads(body)
    real: str = content["access_token"]
    head, payload, signature = real.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    name, odd = rng.choice(CLAIMS), rng.choice(ODD)
    if rng.randrange(4):
        claims[name] = odd
    else:
        claims.pop(name, None)
    altered = base64.urlsafe_b64encode(to_json(claims).encode("utf-8", errors="surrogatepass")).decode().rstrip("=")
    token = f"{head}.{altered}.{signature}"
    return json.dumps({**content, "access_token": token}).encode(), token, real


@dataclass
class Alteration:
    """Alters the response to request number `number`, and counts requests.

    The tenant accepts an altered token instead of the real one.
    """

    rng: random.Random = field(default_factory=lambda: random.Random(0))
    number: int = -1
    count: int = 0
    tokens: dict[str, str] = field(default_factory=dict)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        async def altered(scope: Scope, receive: Receive, send: Send) -> None:
            number, self.count = self.count, self.count + 1
            scope["headers"] = [(name, self._real(value)) for name, value in scope["headers"]]
            if number != self.number:
                await app(scope, receive, send)
                return
            output: list[Message] = []

            async def keep(message: Message) -> None:
                output.append(message)

            await app(scope, receive, keep)
            body = b"".join(message.get("body", b"") for message in output)
            status: int = output[0]["status"]
            extra: dict[str, str] = {}
            match self.rng.randrange(10):
                case 0 | 1 | 2 | 3 | 4 if scope["path"] == "/oauth/token":
                    body, token, real = alter_claims(self.rng, body)
                    self.tokens = {f"Bearer {token}": f"Bearer {real}"}
                case 0:
                    status, extra = self.rng.choice(STATUSES), self.rng.choice(HEADERS)
                case 1:
                    body = alter_bytes(self.rng, body)
                case 2:
                    body = alter_bytes(self.rng, body)
                    status, extra = self.rng.choice(STATUSES), self.rng.choice(HEADERS)
                case _:
                    body = alter_content(self.rng, body) if body else alter_bytes(self.rng, body)
            headers = [(name, value) for name, value in output[0]["headers"] if name != b"content-length"]
            headers += [(name.encode(), value.encode()) for name, value in extra.items()]
            headers.append((b"content-length", b"0" if status == 204 else str(len(body)).encode()))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if status == 204 else body})

        return altered

    def _real(self, header: bytes) -> bytes:
        text = header.decode("latin-1")
        return self.tokens.get(text, text).encode("latin-1")


@dataclass(frozen=True)
class FuzzedTenant:
    """A served tenant with altered responses, and its state before and after a run without alterations."""

    folder: Path
    alteration: Alteration
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def state(self) -> dict[str, Any]:
        return {f"{each['client_id']} {each['audience']}": each for each in grants_of(self.folder)}

    def run(self, *arguments: str, number: int = -1, rng: random.Random | None = None) -> tuple[int, str]:
        reset(self.folder / DATABASE, self.folder / "tenant.yaml", DOMAIN)
        shutil.rmtree(self.folder / "grants" / "imported", ignore_errors=True)
        self.alteration.number, self.alteration.count = number, 0
        self.alteration.rng = rng or random.Random(0)
        result = reconciler(*arguments)
        assert len(result.output) < 100_000
        return result.code, result.output


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch) -> Iterator[FuzzedTenant]:
    folder = a_workspace(tmp_path_factory.mktemp("tenant"), patch, tenant=SEED, **{"grants/billing": DECLARED})
    alteration = Alteration()
    with served(folder, alteration.middleware) as environment:
        patch.setenv("AUTH0_AUDIENCE", f"https://{DOMAIN}/api/v2/")
        for name, value in environment.items():
            patch.setenv(name, value)
        tenant = FuzzedTenant(folder, alteration, {}, {})
        before = tenant.state()
        code, output = tenant.run("apply", "--yes", "--attempts", "2")
        assert code == 0, output
        yield FuzzedTenant(folder, alteration, before, tenant.state())


def is_between(now: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return True if every grant has values from before or after the run."""
    return all(
        name in {**before, **after}
        and all(
            value in [each.get(name, {}).get(key) for each in (before, after)]
            or is_intermediate(key, value, before, after)
            for key, value in grant.items()
        )
        for name, grant in now.items()
    )


def is_intermediate(key: str, value: Any, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return True if the value is a set of organizations between the set before and the set after the run."""
    known = {one for state in (before, after) for grant in state.values() for one in grant.get("organizations", ())}
    return key == "organizations" and known.issuperset(value)


READING = (["plan", "-v"], ["list"], ["list", "--format", "json"], ["doctor"], ["import", "--out", "grants/imported"])


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_reading_command_with_an_altered_response_writes_nothing(
    tenant: FuzzedTenant, command: list[str], shard: int
) -> None:
    tenant.run(*command)
    requests = tenant.alteration.count
    for round_number in range(ROUNDS):
        rng = random.Random(f"{command} {shard} {round_number}")
        code, output = tenant.run(*command, number=rng.randrange(requests), rng=rng)

        assert code in {0, 1}, (shard, round_number, code, output)
        assert code == 0 or output, (shard, round_number)
        assert tenant.state() == tenant.before


@pytest.mark.parametrize("shard", range(SHARDS))
def test_apply_with_an_altered_response_writes_only_its_plan_and_reports_correctly(
    tenant: FuzzedTenant, shard: int
) -> None:
    tenant.run("apply", "--yes", "--attempts", "2")
    requests = tenant.alteration.count
    for round_number in range(ROUNDS):
        rng = random.Random(f"apply {shard} {round_number}")
        number = rng.randrange(requests)
        code, output = tenant.run("apply", "--yes", "--attempts", "2", number=number, rng=rng)
        now = tenant.state()

        assert code in {0, 1, 3, 4}, (shard, round_number, number, code, output)
        assert is_between(now, tenant.before, tenant.after), (shard, round_number, number, now, output)
        assert code != 0 or now == tenant.after, (shard, round_number, number, now, output)
        assert code not in {1, 4} or now == tenant.before, (shard, round_number, number, now, output)
