"""Responses, and the error bodies of the Management API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from auth0_sandbox.store.documents import dump


@dataclass(frozen=True, slots=True)
class SandboxResponse:
    """A status and a JSON text, which may be empty. Every response has the JSON content type, including a 204."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


_KNOWN = frozenset(HTTPStatus)
NO_CONTENT = SandboxResponse(HTTPStatus.NO_CONTENT)


def ok(value: object) -> SandboxResponse:
    """Return a 200 response with `value` as JSON."""
    return SandboxResponse(HTTPStatus.OK, dump(value))


def created(value: object) -> SandboxResponse:
    """Return a 201 response with `value` as JSON."""
    return SandboxResponse(HTTPStatus.CREATED, dump(value))


class RefusalError(Exception):
    """A request is refused.

    Handlers raise RefusalError with the whole response, and the application sends the response.
    """

    def __init__(self, answer: SandboxResponse) -> None:
        super().__init__(answer.text)
        self.answer = answer


def refusal(status: int, message: str, code: str | None = None, **extra: object) -> RefusalError:
    """Return an error in the Management API's form. `code` becomes `errorCode`, and None omits `errorCode`."""
    body: dict[str, object] = {"statusCode": status, "error": phrase(status), "message": message}
    if code is not None:
        body["errorCode"] = code
    return RefusalError(SandboxResponse(status, dump(body | extra)))


def phrase(status: int) -> str:
    """Return the phrase of an HTTP status.

    Some statuses of proxies are not standardized, so their phrase is "Error".
    """
    return HTTPStatus(status).phrase if status in _KNOWN else "Error"


def bad_request(message: str, code: str | None = None) -> RefusalError:
    """Return a 400 error."""
    return refusal(HTTPStatus.BAD_REQUEST, message, code)


def unauthorized(message: str) -> RefusalError:
    """Return a 401 error. The message is repeated under `attributes.error`."""
    return refusal(HTTPStatus.UNAUTHORIZED, message, attributes={"error": message})


def not_found(message: str, code: str | None = None) -> RefusalError:
    """Return a 404 error."""
    return refusal(HTTPStatus.NOT_FOUND, message, code)


def conflict(message: str, code: str | None = None) -> RefusalError:
    """Return a 409 error."""
    return refusal(HTTPStatus.CONFLICT, message, code)


def oauth_refusal(status: int, error: str, description: str, **extra: str) -> RefusalError:
    """Return an error of /oauth/token in the form of RFC 6749."""
    return RefusalError(SandboxResponse(status, dump({"error": error, "error_description": description} | extra)))
