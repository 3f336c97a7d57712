"""What can go wrong between us and the hosting service, told apart by whether another look may help.

    ForgeError              exit 1: refused, misaddressed, or an answer that is none
    └── PassingError        no connection, no whole answer, 5xx, a rate limit

Messages carry method, host, path, status and the service's own words; never a token, or what we sent.
"""

from reconciler.errors import ReconcilerError


class ForgeError(ReconcilerError):
    """The hosting service did not do what it should; `status` is that of its answer, 0 if there is none to go by."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class TransientForgeError(ForgeError):
    """It may work in a moment; `retry_after` is the wait that the service asks for in seconds, 0 if it does not say.

    Whether a write took effect is open: look before it is made again.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after
