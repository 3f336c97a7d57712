import re
from collections.abc import Callable

import pytest

from auth0_sandbox.store.identities import (
    Pick,
    client_id,
    client_secret,
    derived_from,
    grant_id,
    organization_id,
    randomly,
    resource_server_id,
)


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        pytest.param(grant_id, "^cgr_[A-Za-z0-9]{16}$", id="grant"),
        pytest.param(organization_id, r"^org_[A-Za-z0-9]{16}$", id="organization"),
        pytest.param(client_id, r"^[A-Za-z0-9]{32}$", id="client"),
        pytest.param(client_secret, r"^[A-Za-z0-9]{64}$", id="secret"),
        pytest.param(resource_server_id, r"^[0-9a-f]{24}$", id="resource server"),
    ],
)
def test_ids_have_the_format_of_auth0(make: Callable[[Pick], str], pattern: str) -> None:
    assert re.fullmatch(pattern, make(randomly))
    assert re.fullmatch(pattern, make(derived_from("a")))
    assert make(randomly) != make(randomly)


def test_derived_ids_depend_on_all_parts_only() -> None:
    assert grant_id(derived_from("a", "b")) == grant_id(derived_from("a", "b"))
    assert grant_id(derived_from("a", "b")) != grant_id(derived_from("ab"))
    assert client_id(derived_from("a", "b")) == "HTYFxGVXwm0HkrGvt9KO7CBol5OxHlVD"
