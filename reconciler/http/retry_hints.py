"""Parse the response headers `retry-after`, `x-ratelimit-*` and `date`.

Sources: RFC 9110 (10.2.3) for `retry-after`, Auth0's documentation of rate limits for `x-ratelimit-*`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

MAX_NUMBER = 1e12
"""The maximum number that reconciler accepts in a rate-limit header.

A number above MAX_NUMBER is not a valid limit or UNIX time.
"""


@dataclass(frozen=True, slots=True)
class RateLimitHeaders:
    """The values of the rate-limit headers of a response. The value of a missing or malformed header is None.

    `limit` and `remaining` are numbers of requests. `reset` and `date` are UNIX times. `retry_after` is a delay in
    seconds.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    date: float | None = None
    retry_after: float | None = None


def parse_rate_limit_headers(headers: Mapping[str, str]) -> RateLimitHeaders:
    """Parse the rate-limit headers of a response. The names of the headers must be in lower case.

    The header `retry-after` may contain a number of seconds or a date.
    """
    date = _http_date(headers.get("date"))
    retry_after = _number(headers.get("retry-after"))
    retry_date = _http_date(headers.get("retry-after"))
    if retry_after is None and retry_date is not None and date is not None:
        retry_after = max(0.0, retry_date - date)
    limit, remaining = _number(headers.get("x-ratelimit-limit")), _number(headers.get("x-ratelimit-remaining"))
    return RateLimitHeaders(
        limit=None if limit is None else int(limit),
        remaining=None if remaining is None else int(remaining),
        reset=_number(headers.get("x-ratelimit-reset")),
        date=date,
        retry_after=retry_after,
    )


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number <= MAX_NUMBER else None


def _http_date(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (
        ValueError,
        OverflowError,
        IndexError,
        TypeError,
        OSError,
    ):  # an invalid date raises one of the exceptions in the `except` clause
        return None
