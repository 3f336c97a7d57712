"""Secrets are removed from text in every encoding, whole or in part. Other text is unchanged."""

import base64
import html
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.redaction import MASK, Secrets, secrets_in

LONG = 'Canary/secret+that&nobody=should "see" -0123456789é'
SECRETS = [LONG, "x" * 15 + "Y9-_" * 20, "canary-5ecret"]


def forms(secret: str) -> Iterator[str]:
    percent = "".join(f"%{byte:02X}" for byte in secret.encode())
    yield from (secret, secret.upper(), secret.lower())
    yield from (quote(secret, safe=""), quote(secret), quote_plus(secret), percent, percent.lower(), quote(percent))
    yield from (json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)), json.dumps(secret).replace("/", "\\/"))
    yield "".join(f"\\u{ord(character):04X}" for character in secret)
    yield from (html.escape(secret), "".join(f"&#{ord(character)};" for character in secret))
    yield from (repr(secret)[1:-1], repr(secret.encode())[2:-1], secret.encode().hex(), secret.encode().hex().upper())
    for before in ("", "a", "ab", "own:"):
        for after in ("", "z", "zz"):
            yield base64.b64encode(f"{before}{secret}{after}".encode()).decode()
            yield base64.urlsafe_b64encode(f"{before}{secret}{after}".encode()).decode()
            yield quote(base64.b64encode(f"{before}{secret}{after}".encode()).decode(), safe="")


@pytest.mark.parametrize("secret", SECRETS)
def test_every_form_of_a_secret_is_removed(secret: str) -> None:
    for form in forms(secret):
        shown = Secrets([secret]).redact(f"before {form} after")

        assert shown.startswith("before ")
        assert shown.endswith(" after")
        assert MASK in shown
        assert not [form[at : at + 12] for at in range(len(form) - 11) if form[at : at + 12] in shown], form


@pytest.mark.parametrize("secret", [secret for secret in SECRETS if len(secret) >= 16])
def test_every_form_of_a_long_secret_is_found_in_data(secret: str) -> None:
    secrets = Secrets([secret])

    for form in forms(secret):
        assert secrets.occur_in(f"before {form} after"), form
        assert secrets.may_occur_in(f"before {form} after"), form


@given(st.integers(0, len(LONG) - 12), st.integers(12, len(LONG)))
def test_a_part_of_a_secret_is_removed(start: int, length: int) -> None:
    part = LONG[start : start + length]

    assert part not in Secrets([LONG]).redact(f"a {part} b")


@given(st.text(), st.text(min_size=4, max_size=30))
def test_a_secret_is_removed_from_any_text(text: str, secret: str) -> None:
    secrets = Secrets([secret])

    assert (
        not secret.strip() or len(secret.strip()) < 4 or secret.strip() not in secrets.redact(f"{text}{secret}{text}")
    )


@given(st.text("abcdefgh %\\&;#x0", max_size=60))
def test_text_without_a_secret_is_unchanged(text: str) -> None:
    assert Secrets(["ZYXWVUTSRQPO-1", "5678"]).redact(text) == text


@pytest.mark.parametrize("text", ["", "x", "   ", "abc"])
def test_a_short_value_is_not_a_secret(text: str) -> None:
    assert Secrets([text]).redact("x abc   y") == "x abc   y"


ENVIRONMENT = {
    "AUTH0_CLIENT_SECRET": "canary-aaaaaaaa",
    "ACME_CLIENT_ASSERTION_PRIVATE_KEY": "canary-bbbbbbbb",
    "AUTH0_ACCESS_TOKEN": "canary-cccccccc",
    "GITHUB_TOKEN": "canary-dddddddd",
    "CI_JOB_TOKEN": "canary-eeeeeeee",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "canary-ffffffff",
    "VAULT_ID": "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJjYW5hcnkifQ.canary-gggggggg",
    "https_proxy": "http://user:canary%2Dhhhhhhhh@proxy.example.com:1",
    "CI_REPOSITORY_URL": "https://gitlab-ci-token:canary-iiiiiiii@gitlab.example.com/x.git",
}


@pytest.mark.parametrize("text", [*ENVIRONMENT.values(), "canary-hhhhhhhh", "canary-iiiiiiii"])
def test_secrets_are_found_in_environment_variables(text: str) -> None:
    secret = text.rpartition("@")[0].rpartition(":")[2] or text

    assert secrets_in(ENVIRONMENT).redact(f"a {secret} b") == f"a {MASK} b"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH0_CLIENT_ID", "billing-application"),
        ("AUTH0_CLIENT_SIGNING_KEY_PATH", "/etc/keys/own.pem"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.example.com/"),
        ("USE_TOKEN", "true"),
        ("AUTH0_DOMAIN", "t.auth0.com"),
    ],
)
def test_other_variables_contain_no_secret(name: str, value: str) -> None:
    assert secrets_in({name: value}).redact(value) == value
