from typing import Any

import pytest
from hypothesis import given
from support.builders import INVOICES, a_grant, a_key, a_spec, an_observed
from support.strategies import grants

from reconciler.auth0 import wire
from reconciler.auth0.errors import UnreadableError
from reconciler.core.diff import changed_fields
from reconciler.core.grant import ClientGrant
from reconciler.core.plan import Update
from reconciler.core.resolve import DesiredGrant

RESPONSE = {"id": "cgr_1", "client_id": "billing", "audience": INVOICES, "scope": ["read:invoices"]}


def test_missing_fields_have_their_defaults() -> None:
    assert wire.observed_grant(RESPONSE) == an_observed(grant_id="cgr_1")


def test_null_fields_have_their_defaults_and_unknown_fields_are_recorded() -> None:
    response = {
        **RESPONSE,
        "organization_usage": None,
        "allow_all_scopes": None,
        "subject_type": "anonymous_user",
        "new": {"a": 1},
    }

    observed = wire.observed_grant({**response, "organization_usage": "sometimes"})

    assert wire.observed_grant(response).grant == a_grant(a_key(subject_type="anonymous_user"))
    assert observed.unknown_fields == {'field "new"'}


def test_a_grant_with_all_scopes_has_no_list_of_scopes() -> None:
    assert wire.observed_grant({**RESPONSE, "allow_all_scopes": True}).grant == a_grant(scope=(), allow_all_scopes=True)


def test_a_default_grant_has_no_client() -> None:
    response = {"id": "cgr_1", "default_for": "third_party_clients", "audience": INVOICES, "scope": []}

    assert wire.observed_grant(response).key == a_key(None, default_for="third_party_clients")


@pytest.mark.parametrize(
    ("holder", "description"),
    [
        ({"client_id": None}, "unknown recipient (cgr_1)"),
        ({"client_id": "", "group_id": "grp_1"}, "unknown recipient (cgr_1)"),
        ({"default_for": "third_party_clients"}, "billing and the default for third_party_clients (cgr_1)"),
    ],
)
def test_a_grant_with_an_unknown_kind_of_holder_has_a_description_and_no_application(
    holder: dict[str, object], description: str
) -> None:
    key = wire.observed_grant({**RESPONSE, **holder}).key

    assert key == a_key(None, other_holder=description)
    assert key.holder == description


@pytest.mark.parametrize(
    "invalid",
    [
        {"id": None},
        {"audience": ""},
        {"client_id": 7},
        {"scope": "read:invoices"},
        {"scope": [1]},
        {"allow_all_scopes": "yes"},
        {"is_system": 1},
    ],
    ids=str,
)
def test_an_invalid_grant_is_unreadable(invalid: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        wire.observed_grant({**RESPONSE, **invalid})


@pytest.mark.parametrize(
    "invalid", [{"scopes": "x"}, {"scopes": ["x"]}, {"scopes": [{}]}, {"identifier": None}], ids=str
)
def test_an_invalid_api_is_unreadable(invalid: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        wire.api({"identifier": "urn:x", "name": "X", **invalid})


def test_an_api_without_the_field_scopes_has_no_scopes() -> None:
    assert wire.api({"identifier": "urn:x"}).scopes == frozenset()


def test_a_create_sends_no_defaults() -> None:
    assert wire.create_body(a_grant()) == {
        "client_id": "billing",
        "audience": INVOICES,
        "scope": ["read:invoices"],
    }


def test_an_empty_list_of_scopes_is_sent() -> None:
    assert wire.create_body(a_grant(scope=()))["scope"] == []


def test_all_scopes_are_sent_without_a_list() -> None:
    body = wire.create_body(a_grant(scope=(), allow_all_scopes=True))

    assert body == {"client_id": "billing", "audience": INVOICES, "allow_all_scopes": True}


@given(grants())
def test_the_body_of_a_create_is_parsed_as_the_same_grant(grant: ClientGrant) -> None:
    assert wire.observed_grant({"id": "cgr_1", **wire.create_body(grant)}).grant == grant


def an_update(before: ClientGrant, after: ClientGrant) -> Update:
    return Update(an_observed(before), DesiredGrant(after, a_spec()), changed_fields(before, after))


@pytest.mark.parametrize(
    ("before", "after", "body"),
    [
        ({}, {"scope": ("b", "a")}, {"scope": ["a", "b"]}),
        ({"organization_usage": "allow"}, {}, {"organization_usage": "deny"}),
        ({"allow_any_organization": True}, {}, {"allow_any_organization": False}),
        ({}, {"scope": (), "allow_all_scopes": True}, {"allow_all_scopes": True}),
        ({"scope": (), "allow_all_scopes": True}, {}, {"allow_all_scopes": False, "scope": ["read:invoices"]}),
        ({"scope": (), "allow_all_scopes": True}, {"scope": ()}, {"allow_all_scopes": False, "scope": []}),
        ({}, {"authorization_details_types": frozenset({"x"})}, {"authorization_details_types": ["x"]}),
    ],
    ids=[
        "scopes",
        "usage",
        "any organization",
        "all scopes",
        "from all scopes to a list",
        "from all scopes to none",
        "details types",
    ],
)
def test_an_update_sends_exactly_the_changed_fields(
    before: dict[str, Any],
    after: dict[str, Any],
    body: dict[str, Any],
) -> None:
    assert wire.update_body(an_update(a_grant(**before), a_grant(**after))) == body


@given(grants(), grants())
def test_the_body_of_an_update_changes_before_into_after(before: ClientGrant, after: ClientGrant) -> None:
    after = after._replace(key=before.key)
    stored = {"id": "cgr_1", **wire.create_body(before)}

    stored.update(wire.update_body(an_update(before, after)))

    assert wire.observed_grant(stored).grant == after


@pytest.mark.parametrize(
    ("method", "path", "body", "answer"),
    [
        ("post", "", {"grant_id": "cgr_1"}, {"grant_id": "cgr_1", "client_id": "billing", "audience": INVOICES}),
        ("post", "", {}, {"grant_id": "cgr_1"}),
        ("delete", "/cgr_1", {}, {}),
    ],
)
def test_an_organization_of_a_grant_is_a_change_of_the_grant(
    method: str, path: str, body: dict[str, object], answer: dict[str, object]
) -> None:
    request = {"method": method, "path": f"/api/v2/organizations/org_1/client-grants{path}", "body": body}
    details = {"request": request, "response": {"body": answer}}

    event = wire.log_event({"date": "2026-11-25T14:03:10.000Z", "type": "sapi", "details": details})

    assert (event.method, event.grant_id, event.key) == ("PATCH", "cgr_1", None)


@pytest.mark.parametrize(
    ("value", "policies"),
    [
        (
            {"user": {"policy": "allow_all"}, "client": {"policy": "deny_all"}},
            {"user": "allow_all", "client": "deny_all"},
        ),
        ({"user": {"policy": 1}, "client": None, "robot": {"policy": "x"}}, {}),
        ("odd", {}),
    ],
)
def test_the_policies_of_an_api_are_read_if_they_are_valid(value: Any, policies: dict[str, str]) -> None:
    assert dict(wire.api({"identifier": "urn:x", "subject_type_authorization": value}).policies) == policies
