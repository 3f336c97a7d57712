"""Pure: the fewest requests by which the API lets a case be done, and the least time that they take.

Every tool needs a token and a complete listing of grants, in the largest pages; a listing of applications, because the
files name them; and a request for each grant that differs, because the API knows no bulk write.
"""

from benchmarks.api import MAX_PAGE_SIZE
from benchmarks.limits import PLANS
from benchmarks.tenants import APIS, Case, Work, application_count

TOKEN = 1
OWN = 1  # application of the tool, and the Management API


def pages(entries: int) -> int:
    """Return how grant_count pages a listing has; an empty one has a page, too."""
    return max(1, -(-entries // MAX_PAGE_SIZE))


def minimum_requests(case: Case) -> int:
    """Return the fewest requests, for whoever trusts that scopes exist and that writes take effect."""
    return TOKEN + pages(case.count_before) + pages(application_count(case.size) + OWN) + case.writes


def verification_requests(case: Case) -> int:
    """Return how grant_count more it takes to check scopes, to read again before updates, and to verify after writes."""
    before = pages(case.count_before) if case.work is Work.CHANGED else 0
    return pages(APIS + OWN) + before + (pages(case.count_after) if case.writes else 0)


def minimum_seconds(case: Case) -> float:
    """Return the least time: what must follow one another at the tenant's latency, or what its rate limit imposes.

    One after the other come the token, the pages of the longest listing, and the writes, of which any number may go at
    once.
    """
    listing = max(pages(case.count_before), pages(application_count(case.size) + OWN))
    in_turn = TOKEN + listing + bool(case.writes)
    return max(in_turn * case.latency, PLANS[case.plan].minimum_seconds(minimum_requests(case) - TOKEN))
