"""A hook that lets schemathesis create valid grants. The OpenAPI document lacks the rules between fields."""

import schemathesis


def map_case(_context: schemathesis.HookContext, case: schemathesis.Case) -> schemathesis.Case:
    """Make a body valid if the test case expects a success."""
    if case.meta is not None and case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        case.body = _valid(case.body)
    return case


def _valid(body: dict[str, object]) -> dict[str, object]:
    """Return the body without contradictory fields, and with the required fields."""
    contradictory = set()
    if "client_id" in body:
        contradictory.add("default_for")
    if body.get("allow_all_scopes") is True:
        contradictory.add("scope")
    if ("default_for" in body and "client_id" not in body) or body.get("subject_type", "client") != "client":
        contradictory |= {"organization_usage", "allow_any_organization"}
    if body.get("organization_usage", "deny") == "deny":
        contradictory.add("allow_any_organization")
    holder = {} if body.keys() & {"client_id", "default_for"} else {"default_for": "third_party_clients"}
    return {name: value for name, value in ({"scope": []} | holder | body).items() if name not in contradictory}


schemathesis.hook.apply_to(name="POST /client-grants")(map_case)
