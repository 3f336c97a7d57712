"""Pure: whether a grant file can say what a grant says; tenants hold what the contract does not allow (any more)."""

import re
from collections.abc import Iterator

from reconciler.core.grant import SUBJECT_CLIENT, SUBJECT_USER, USAGE_DENY, ClientGrant
from reconciler.core.organization_usage import CALLERS
from reconciler.core.quoting import quoted
from reconciler.core.template import literal

DEFAULT_HOLDERS = frozenset({"third_party_clients"})
LONGEST_TEXT = 8 * 1024  # of one scalar in a grant file
LONGEST_SCOPE = 280
LONGEST_TYPE = 255
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
HALF = re.compile(r"[\ud800-\udfff]")
"""Halves of pairs (surrogates): JSON can carry one alone, no file of text can."""


def obstacle(grant: ClientGrant) -> str | None:
    """Return why no grant file can declare `grant`; None where one can."""
    return next(_obstacles(grant), None)


def writable(text: str) -> bool:
    """Return whether a grant file can hold `text` as a name or an id."""
    return 0 < len(literal(text)) <= LONGEST_TEXT and not HALF.search(text)


def _obstacles(grant: ClientGrant) -> Iterator[str]:
    key = grant.key
    if key.subject_type not in {SUBJECT_CLIENT, SUBJECT_USER}:
        yield f"its subject type {quoted(key.subject_type)} is unknown"
    if key.default_for is not None and key.default_for not in DEFAULT_HOLDERS:
        yield f"it is the default for {quoted(key.default_for)}, which is unknown"
    if not writable(key.holder) or not writable(key.audience):
        yield "its id or its API's identifier is no text that a file can hold"
    yield from _organizations(grant)
    if grant.authorization_details_types and key.subject_type != SUBJECT_USER:
        yield "it has authorization_details_types, which work for users only"
    for text in sorted(grant.scope):
        if not _fits(literal(text), LONGEST_SCOPE):
            yield f"its scope {quoted(text)} is empty, too long or not printable"
    for text in sorted(grant.authorization_details_types):
        if not _fits(text, LONGEST_TYPE):
            yield f"its authorization_details_types has {quoted(text)}, which is empty, too long or not printable"


def _fits(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and not CONTROL.search(text) and not HALF.search(text)


def _organizations(grant: ClientGrant) -> Iterator[str]:
    if grant.organization_usage not in CALLERS:
        yield f"its organization_usage {quoted(grant.organization_usage)} is unknown"
    elif grant.organization_usage == USAGE_DENY and grant.allow_any_organization:
        yield "it allows any organization although it denies organizations"
    elif (grant.organization_usage != USAGE_DENY or grant.organizations is not None) and (
        grant.key.subject_type != SUBJECT_CLIENT or grant.key.default_for is not None
    ):
        yield "it has settings for organizations, which work for applications by themselves only"
