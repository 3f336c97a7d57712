"""Pure: the minimum number of requests for a case, and the minimum time for these requests.

Every tool needs these requests:

- one request for a token
- a complete listing of the grants, in the largest pages
- a listing of the applications, because the files contain names of applications
- one request for each grant that differs, because the API has no bulk write
"""

from benchmarks.api import MAX_PAGE_SIZE
from benchmarks.limits import PLANS
from benchmarks.tenants import APIS, Case, Work, application_count

TOKEN = 1
OWN = 1  # the tool's own application, or the Management API


def pages(entries: int) -> int:
    """Return the number of pages of a listing. An empty listing has one page."""
    return max(1, -(-entries // MAX_PAGE_SIZE))


def minimum_requests(case: Case) -> int:
    """Return the minimum number of requests of a tool that checks neither the scopes nor the result of writes."""
    return TOKEN + pages(case.count_before) + pages(application_count(case.size) + OWN) + case.writes


def verification_requests(case: Case) -> int:
    """Return the number of requests for checks: the scopes, a second listing before updates, and the result."""
    before = pages(case.count_before) if case.work is Work.CHANGED else 0
    return pages(APIS + OWN) + before + (pages(case.count_after) if case.writes else 0)


def minimum_seconds(case: Case) -> float:
    """Return the minimum time in seconds: the time of sequential requests, or the time under the rate limit if longer.

    The token, the pages of the longest listing, and the writes are sequential. All writes can run at the same time.
    """
    listing = max(pages(case.count_before), pages(application_count(case.size) + OWN))
    sequential = TOKEN + listing + bool(case.writes)
    return max(sequential * case.latency, PLANS[case.plan].minimum_seconds(minimum_requests(case) - TOKEN))
