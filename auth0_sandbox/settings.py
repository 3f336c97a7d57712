"""Settings for undocumented and unrecorded behaviour of Auth0, and for features of Auth0 plans."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Literal, get_args, get_type_hints

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.yaml_files import suggest

Refill = Literal["window", "continuous"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The undocumented behaviour of the sandbox, and its features.

    Every field above `custom_domain` is an assumption. The tests of a client should pass with every value of each
    assumption.
    """

    # On some list endpoints, the last page contains `next`, and an empty page follows. The behaviour of the client
    # grants endpoint has not been observed.
    next_on_last_page: bool = False
    # The errorCode of a 409 is not published. The errorCodes of 404s and rule violations of POST and PATCH are not
    # published either. With None, the response has no errorCode.
    conflict_code: str | None = "conflict"
    missing_client_code: str | None = None
    missing_api_code: str | None = None
    rule_code: str | None = "invalid_body"
    # Auth0 refuses PATCH and DELETE of system grants. The status of the refusal is not known.
    system_grant_status: int = HTTPStatus.FORBIDDEN
    # In 2018, Auth0 kept the grants of a deleted API. The current behaviour is not known.
    keep_grants_of_deleted_api: bool = True
    # Some endpoints refuse unknown query parameters. The behaviour of the endpoints in the sandbox has not been
    # observed.
    refuse_unknown_query: bool = True
    # The largest number of organizations that offset paging can reach. Some endpoints of Auth0 limit offset paging.
    organizations_offset_cap: int = 1000
    # The documentation does not say whether a grant that denies organizations can be assigned to an organization. A
    # PATCH of an assigned grant can lead to the same state.
    refuse_unusable_association: bool = False
    # Auth0 allows 100 grants per organization in the public cloud and 1000 in a private cloud.
    organization_grant_quota: int = 100
    # In recorded responses, applications with a key show no secret. So the sandbox also refuses the secret of an
    # application with a key. The tool of the seed keeps its secret.
    secret_beside_key: bool = False
    # One page of the documentation says that buckets are refilled at the start of each second or minute. Another page
    # says that buckets are refilled continuously.
    refill: Refill = "window"
    # The documentation mentions only x-ratelimit-reset for 429s of the Management API. Other APIs of Auth0 send
    # Retry-After.
    retry_after: bool = False
    # Whether a request with an invalid token uses the rate limit.
    limit_before_token: bool = False

    # The custom domain of the tenant, a host without a port, or None.
    custom_domain: str | None = None
    # The number of days that Auth0 keeps log events: 1 (Free), 5 (Essentials), 10 (Professional) or 30 (Enterprise).
    log_retention_days: int = 30


DEFAULT_SETTINGS = Settings()
_FLAGS = {"true": True, "false": False}


def settings_from(assignments: Iterable[str]) -> Settings:
    """Return the default settings with the values in `assignments`, texts such as `name=value`.

    `none` means no value.

    Raises:
        SandboxError: if a name or a value is not valid.
    """
    kinds = get_type_hints(Settings)
    values: dict[str, Any] = {}  # settings have different types
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        if name not in kinds:
            hint = suggest(name, kinds) or f"use one of: {', '.join(kinds)}"
            raise SandboxError(f'the sandbox has no setting "{name}"; {hint}')
        values[name] = _value(name, text, kinds[name])
    return replace(DEFAULT_SETTINGS, **values)


def _value(name: str, text: str, kind: object) -> str | int | bool | None:
    if kind is bool and text in _FLAGS:
        return _FLAGS[text]
    if kind is int and text.isdecimal():
        return int(text)
    if kind == str | None and text:
        return None if text == "none" else text
    if text in get_args(kind):
        return text
    raise SandboxError(f'setting {name}: "{text}" is not valid; use {_allowed_values(kind)}')


def _allowed_values(kind: object) -> str:
    if kind == str | None:
        return "a text, or none"
    if kind is int:
        return "a whole number"
    return " or ".join(_FLAGS if kind is bool else get_args(kind))
