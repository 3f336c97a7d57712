"""The errors of requests to the Management API, grouped by the possible effect of a failed write.

    Auth0Error
    ├── NotSentError            the tenant received nothing: name resolution, connection or TLS failed
    ├── DeadlinePassedError     not sent, because the rate limit would delay the request beyond the time limit
    ├── NoTokenError            the tenant issued no access token, so the request was not sent
    ├── TooLargeError           a list is larger than the size limit, so reading the list again does not help
    ├── RefusedCallError        a complete response with 4xx; nothing was changed
    │   └── RateLimitedError    429
    └── UnknownOutcomeError     sent, outcome unknown: 5xx, 408, timeout, broken connection
        └── UnreadableError     a 2xx response that does not match the documentation

Error messages contain the method, path, status and message of the API. Error messages never contain a header or body of
a request.
"""

from reconciler.errors import ReconcilerError


class Auth0Error(ReconcilerError):
    """A request to the tenant failed."""


class NotSentError(Auth0Error):
    """The request never reached the tenant."""


class DeadlinePassedError(Auth0Error):
    """The request was not sent, because the rate limit would delay the request beyond the time limit of the run."""


class NoTokenError(Auth0Error):
    """All attempts to get a token failed.

    NoTokenError is not a subclass of RefusedCallError, because the tenant never received the request that needs the
    token.

    `reason` is the cause of the failure. `advice` is the next step for the user, or an empty string.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}; {advice}" if advice else reason)
        self.reason = reason
        self.advice = advice


class RefusedCallError(Auth0Error):
    """The tenant refused the request."""

    def __init__(self, call: str, status: int, message: str) -> None:
        super().__init__(f"{call}: {status} {message}".rstrip())
        self.status = status


class RateLimitedError(RefusedCallError):
    """The tenant refused the request because of its rate limit.

    `retry_after` is the delay in seconds that the tenant requests, or 0.
    """

    def __init__(self, call: str, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(call, status, message)
        self.retry_after = retry_after


class TooLargeError(Auth0Error):
    """A list from Auth0 is larger than the size limit."""


class UnknownOutcomeError(Auth0Error):
    """The tenant may have received the request, but the outcome of the request is unknown.

    To find out the outcome, read the grant from the tenant again.
    """


class UnreadableError(UnknownOutcomeError):
    """The response of the tenant does not match the documentation of the API."""


TRANSIENT = (NotSentError, RateLimitedError, UnknownOutcomeError)
"""The errors after which reconciler may repeat a request."""
