"""Pure: behaviour that Auth0 does not document and recordings do not show, and features that depend on the plan."""

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

    Every field but the last ones is an assumption. A test of a client should pass with each value.
    """

    # Some list endpoints return `next` on the last page, followed by an empty page. Client grants have not been
    # observed.
    next_on_last_page: bool = False
    # The errorCode of a 409, and of 404s and rule violations of POST and PATCH, is not published. None leaves it out.
    conflict_code: str | None = "conflict"
    missing_client_code: str | None = None
    missing_api_code: str | None = None
    rule_code: str | None = "invalid_body"
    # System grants are refused on PATCH and DELETE. The status is not known.
    system_grant_status: int = HTTPStatus.FORBIDDEN
    # In 2018, deleting an API kept its grants. The current behaviour is not known.
    keep_grants_of_deleted_api: bool = True
    # Some endpoints refuse unknown query parameters. These endpoints have not been observed.
    refuse_unknown_query: bool = True
    # Some endpoints limit offset paging (organizations: 1000 records).
    organizations_offset_cap: int = 1000
    # It is not documented whether an organization can be assigned to a grant that denies organizations. A PATCH can
    # result in the same state.
    refuse_unusable_association: bool = False
    # 100 in the public cloud, 1000 in a private cloud.
    organization_grant_quota: int = 100
    # Applications with a key show no secret (recorded), so the secret does not work either. The tool of the seed keeps
    # its secret.
    secret_beside_key: bool = False
    # One page of the documentation says that buckets are refilled at the start of each second or minute. Another page
    # says continuously.
    refill: Refill = "window"
    # 429s of the Management API are documented with x-ratelimit-reset only. Others have Retry-After.
    retry_after: bool = False
    # Whether a request with an invalid token uses the rate limit.
    limit_before_token: bool = False

    # The custom domain of the tenant, a host without a port, or None.
    custom_domain: str | None = None
    # The number of days that log events are kept: 1 (Free), 5 (Essentials), 10 (Professional) or 30 (Enterprise).
    log_retention_days: int = 30


DEFAULT_SETTINGS = Settings()
_FLAGS = {"true": True, "false": False}


def settings_from(assignments: Iterable[str]) -> Settings:
    """Return the defaults with `name=value` replaced. `none` leaves a value out.

    Raises:
        SandboxError: if a name or a value is not valid.
    """
    kinds = get_type_hints(Settings)
    values: dict[str, Any] = {}  # settings have different types
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        if name not in kinds:
            hint = suggest(name, kinds) or f"there are: {', '.join(kinds)}"
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
    raise SandboxError(f'setting {name}: "{text}" will not do; give {_wanted(kind)}')


def _wanted(kind: object) -> str:
    if kind == str | None:
        return "a text, or none"
    if kind is int:
        return "a whole number"
    return " or ".join(_FLAGS if kind is bool else get_args(kind))
