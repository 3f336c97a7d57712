"""Answers of the tenant: turned into JSON or into the error that tells what they mean."""

from typing import Any

import httpx

from reconciler.auth0.errors import Auth0Error, NotSentError, RefusedCallError, UnclearError, UnreadableError

LONGEST_MESSAGE = 500

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


def parsed(response: httpx.Response) -> Any:  # noqa: ANN401 - JSON; the callers parse it into values
    """Return the JSON of a successful answer.

    Raises:
        UnclearError, RefusedCallError: as the status says.
        UnreadableError: if the body is no JSON.
    """
    if not response.is_success:
        raise refusal(response)
    try:
        return response.json()
    except ValueError as error:
        raise UnreadableError(f"{_call(response.request)}: the answer is no JSON") from error


def refusal(response: httpx.Response) -> Auth0Error:
    """Return the error that an answer other than 2xx stands for; redirects are not followed and count as unclear."""
    call, status = _call(response.request), response.status_code
    if response.is_client_error and status != httpx.codes.REQUEST_TIMEOUT:
        return RefusedCallError(call, status, _message(response))
    return UnclearError(f"{call}: {status} {_message(response)}".rstrip())


def broken(request: httpx.Request, error: httpx.HTTPError) -> Auth0Error:
    """Return the error for a call without an answer: not sent at all, or unclear."""
    kind = NotSentError if isinstance(error, NOT_SENT) else UnclearError
    return kind(f"{_call(request)}: {str(error) or type(error).__name__}")


def _call(request: httpx.Request) -> str:
    return f"{request.method} {request.url.host} {request.url.path}"


def _message(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.reason_phrase
    if not isinstance(body, dict):
        return response.reason_phrase
    message = body.get("message") or body.get("error_description") or body.get("error") or response.reason_phrase
    return str(message)[:LONGEST_MESSAGE]
