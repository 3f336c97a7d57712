"""Parse valid and malformed rate-limit headers."""

import pytest

from reconciler.http.retry_hints import RateLimitHeaders, parse_rate_limit_headers

DATE = "Fri, 27 Nov 2026 12:00:00 GMT"
UNIX = 1795780800.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, RateLimitHeaders()),
        ({"retry-after": "30"}, RateLimitHeaders(retry_after=30.0)),
        ({"retry-after": "Fri, 27 Nov 2026 12:00:20 GMT", "date": DATE}, RateLimitHeaders(date=UNIX, retry_after=20.0)),
        ({"retry-after": "Fri, 27 Nov 2026 11:00:00 GMT", "date": DATE}, RateLimitHeaders(date=UNIX, retry_after=0.0)),
        ({"retry-after": "Fri, 27 Nov 2026 12:00:20 GMT"}, RateLimitHeaders()),
        ({"retry-after": "-1"}, RateLimitHeaders()),
        ({"retry-after": "nan", "x-ratelimit-limit": "1e400", "date": "yesterday"}, RateLimitHeaders()),
        (
            {"x-ratelimit-limit": "50", "x-ratelimit-remaining": "49", "x-ratelimit-reset": "1795780801"},
            RateLimitHeaders(limit=50, remaining=49, reset=UNIX + 1),
        ),
    ],
)
def test_headers_are_parsed(headers: dict[str, str], expected: RateLimitHeaders) -> None:
    assert parse_rate_limit_headers(headers) == expected
