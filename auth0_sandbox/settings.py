"""Pure: the choices that Auth0's documentation and recorded answers leave open, each with what the sandbox assumes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Literal, get_args, get_type_hints

from auth0_sandbox.errors import SandboxError
from auth0_sandbox.yaml_files import suggest

Refill = Literal["window", "continuous"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the sandbox behaves where nobody has seen, or written down, what the real API does.

    Every field is an assumption; tests of a client should hold for each value.
    """

    # Sibling endpoints have answered `next` on the last page, with an empty page behind it; for client grants neither
    # has been seen.
    next_on_last_page: bool = False
    # The errorCode of a 409, and of the 404s and rule violations of POST and PATCH, is published nowhere; None leaves
    # it out, as the API does here and there.
    conflict_code: str | None = "conflict"
    missing_client_code: str | None = None
    missing_api_code: str | None = None
    rule_code: str | None = "invalid_body"
    # System grants are refused on PATCH and DELETE; with which status is not known.
    system_grant_status: int = HTTPStatus.FORBIDDEN
    # Deleting an API left its grants behind in 2018; whether it still does is not known.
    keep_grants_of_deleted_api: bool = True
    # Some endpoints refuse query parameters that they do not know; for these ones it has not been seen.
    refuse_unknown_query: bool = True
    # The window of offset paging is capped on some endpoints (organizations: 1000 records).
    organizations_offset_cap: int = 1000
    # Whether a grant that is of no use to organizations (organization_usage deny, or absent) can be associated with
    # one is written nowhere; a PATCH can bring about the same.
    refuse_unusable_association: bool = False
    # 100 on the public cloud, 1000 on private ones.
    organization_grant_quota: int = 100
    # An application that signs assertions keeps its secret; whether that still opens anything is not known.
    secret_beside_key: bool = True
    # Buckets of rate limits are topped up at the top of each second or minute, says one page of the documentation;
    # all the time, says another.
    refill: Refill = "window"
    # Management API's 429s are documented with x-ratelimit-reset alone; other ones carry Retry-After.
    retry_after: bool = False
    # Whether a call with a bad token draws on the rate limit.
    limit_before_token: bool = False


DEFAULT_SETTINGS = Settings()
_FLAGS = {"true": True, "false": False}


def settings_from(assignments: Iterable[str]) -> Settings:
    """Return the defaults with `name=value` replaced; `none` stands for what is left out.

    Raises:
        SandboxError: a name or a value cannot be.
    """
    kinds = get_type_hints(Settings)
    values: dict[str, Any] = {}  # as varied as the settings are
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
