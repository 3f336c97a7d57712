"""Pure: the choices that Auth0's documentation and recorded answers leave open, each with what the sandbox assumes."""

from dataclasses import dataclass
from http import HTTPStatus


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


DEFAULT_SETTINGS = Settings()
