"""What can go wrong between us and the Management API, told apart by what it means for a write.

    Auth0Error
    ├── NotSentError            the tenant has seen nothing: name resolution, connection, TLS
    ├── TooLateError            not sent, because the call's turn comes after the end of the run
    ├── NoTokenError            the tenant gives no token, for whatever reason; the call itself was not made
    ├── TooLargeError           a listing has more bytes than are read; reading it again would be no better
    ├── RefusedCallError        a complete answer that says no (4xx); nothing was changed
    │   └── RateLimitedError    429: not now
    └── UnclearError            sent, and no answer tells what became of it: 5xx, 408, timeout, a broken connection
        └── UnreadableError     an answer of 2xx that is not what the API documents

Messages carry method, path, status and the API's own words; never a header or a body that we sent.
"""

from reconciler.errors import ReconcilerError


class Auth0Error(ReconcilerError):
    """A call to the tenant did not do what it should."""


class NotSentError(Auth0Error):
    """The call never reached the tenant."""


class DeadlinePassedError(Auth0Error):
    """The call was not made, because its turn comes after the end of the run."""


class NoTokenError(Auth0Error):
    """No token could be had, after all attempts at one. Never to be taken for an answer to the call that needs it.

    `reason` says why, `advice` what to do about it, if that is known.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason}; {advice}" if advice else reason)
        self.reason = reason
        self.advice = advice


class RefusedCallError(Auth0Error):
    """The tenant answered that it will not do it."""

    def __init__(self, call: str, status: int, message: str) -> None:
        super().__init__(f"{call}: {status} {message}".rstrip())
        self.status = status
        self.api_message = message


class RateLimitedError(RefusedCallError):
    """The tenant's rate limit is used up; `retry_after` is the wait it asks for in seconds, 0 if it does not say."""

    def __init__(self, call: str, status: int, message: str, retry_after: float = 0.0) -> None:
        super().__init__(call, status, message)
        self.retry_after = retry_after


class TooLargeError(Auth0Error):
    """A listing of the tenant is larger than what is read."""


class UnknownOutcomeError(Auth0Error):
    """The call was sent; whether it took effect has to be looked up."""


class UnreadableError(UnknownOutcomeError):
    """The tenant answered something that the API does not document."""


TRANSIENT = (NotSentError, RateLimitedError, UnknownOutcomeError)
"""Errors after which a request may be repeated."""
