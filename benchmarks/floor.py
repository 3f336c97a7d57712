"""Pure: the minimum number of requests for a case, and the minimum time that they need.

Every tool needs these requests:

- one for a token
- a complete listing of the grants, in the largest pages
- a listing of the applications, because the files give their names
- one for each grant that differs, because the API has no bulk write
"""

from benchmarks.api import MAX_PAGE_SIZE
from benchmarks.limits import PLANS
from benchmarks.tenants import APIS, Case, Work, application_count

TOKEN = 1
OWN = 1  # the tool's own application, and the Management API


def pages(entries: int) -> int:
    """Return the number of pages of a listing. An empty listing has one page."""
    return max(1, -(-entries // MAX_PAGE_SIZE))


def minimum_requests(case: Case) -> int:
    """Return the minimum number of requests of a tool that checks neither scopes nor the result of writes."""
    return TOKEN + pages(case.count_before) + pages(application_count(case.size) + OWN) + case.writes


def verification_requests(case: Case) -> int:
    """Return the number of requests to check scopes, to read again before updates, and to verify the result."""
    before = pages(case.count_before) if case.work is Work.CHANGED else 0
    return pages(APIS + OWN) + before + (pages(case.count_after) if case.writes else 0)


def minimum_seconds(case: Case) -> float:
    """Return the minimum time in seconds: sequential requests times latency, or the time that the rate limit needs.

    The token, the pages of the longest listing, and the writes are sequential. All writes can run at the same time.
    """
    listing = max(pages(case.count_before), pages(application_count(case.size) + OWN))
    sequential = TOKEN + listing + bool(case.writes)
    return max(sequential * case.latency, PLANS[case.plan].minimum_seconds(minimum_requests(case) - TOKEN))
