"""Hypothesis strategies for the grants and keys of tenants."""

from importlib import import_module

from hypothesis import strategies as st

from reconciler.core.expressible import expressible_part
from reconciler.core.grant import ClientGrant, Key

import_module("deepdiff")  # otherwise the first example with a difference would include the time of the import

names = st.text(alphabet="abcxyz:*/ é$`{}", min_size=1, max_size=6)
scopes = st.frozensets(names, max_size=4)


def keys() -> st.SearchStrategy[Key]:
    return st.builds(
        Key,
        client_id=st.sampled_from(["a", "b", "c"]),
        audience=st.sampled_from(["https://one", "https://two"]),
        subject_type=st.sampled_from(["client", "user", "anonymous_user"]),
        default_for=st.none(),
        other_holder=st.just(""),
    )


def declarable_grants() -> st.SearchStrategy[ClientGrant]:
    """Return grants that a grant file can declare."""
    return grants().map(expressible_part)


@st.composite
def grants(draw: st.DrawFn) -> ClientGrant:
    everything = draw(st.booleans())
    return ClientGrant(
        key=draw(keys()),
        scope=frozenset() if everything else draw(scopes),
        organization_usage=draw(st.sampled_from(["deny", "allow", "require"])),
        allow_any_organization=draw(st.booleans()),
        authorization_details_types=draw(scopes),
        allow_all_scopes=everything,
    )


def tenants() -> st.SearchStrategy[dict[Key, ClientGrant]]:
    return st.lists(grants(), max_size=8).map(lambda several: {grant.key: grant for grant in several})


def files() -> st.SearchStrategy[dict[Key, ClientGrant]]:
    return st.lists(declarable_grants(), max_size=8).map(lambda several: {grant.key: grant for grant in several})
