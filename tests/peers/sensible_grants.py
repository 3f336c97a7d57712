"""Lets schemathesis send new grants that a tenant takes: the rules between their fields stand in no schema."""

import schemathesis


def map_case(_context: schemathesis.HookContext, case: schemathesis.Case) -> schemathesis.Case:
    """Let a body that is meant to be taken keep those rules, too."""
    if case.meta is not None and case.meta.generation.mode.is_positive and isinstance(case.body, dict):
        case.body = _sensible(case.body)
    return case


def _sensible(body: dict[str, object]) -> dict[str, object]:
    """Return the body without what contradicts the rest of it, and with scopes where they are needed."""
    contradicting = set()
    if "client_id" in body:
        contradicting.add("default_for")
    if body.get("allow_all_scopes") is True:
        contradicting.add("scope")
    if ("default_for" in body and "client_id" not in body) or body.get("subject_type", "client") != "client":
        contradicting |= {"organization_usage", "allow_any_organization"}
    if body.get("organization_usage", "deny") == "deny":
        contradicting.add("allow_any_organization")
    holder = {} if body.keys() & {"client_id", "default_for"} else {"default_for": "third_party_clients"}
    return {name: value for name, value in ({"scope": []} | holder | body).items() if name not in contradicting}


schemathesis.hook.apply_to(name="POST /client-grants")(map_case)
