"""Hypothesis strategies for tenants with unusual names, ids and settings, as seeds of sandboxes."""

import json
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

ODD_NAMES = (
    *("Billing", "billing", "BILLING ", " Billing", "Billing\t", "Bil/ling", "..", ".", "../../etc", ".hidden"),
    *("CON", "nul.yaml", "com1", "true", "no", "null", "~", "0x10", "1:30", "2001-01-01", "1e3", "-", "---", "..."),
    *("# not a comment", "a #b", "a: b", "a:", "- a", "&a", "*a", "!a", "%a", "@a", "`a`", "'a'", '"a"', "[a]", "{a}"),
    *("${domain}", "$${x}", "$", "${", "\\", "a\nb", "a\r\nb", "\x00", "\x1b[2J", "\x7f", "\x85", "\u2028", "\ufeff"),
    *(
        "a\u202eb",
        "\u200b",
        "e\u0301",
        "\u00e9",
        "\u0301",
        "ﬁ",
        "日本",
        "🂡",
        "\U000e0001",
        "\ue000",
        "\uffff",
        "x" * 300,
    ),
    "default for third_party_clients",
)
odd_texts = st.sampled_from(ODD_NAMES) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
scopes = st.sampled_from(["read:x", "write:x", "a b", "é", "${domain}", "true", "s" * 280, "t" * 281, "a\x07", "'"])
ORGANIZATIONS = ("acme", "Ünïted: a #b", "org_0123456789abcdef")
DEFINED = ["read:x", "write:x", "a b", "é", "${domain}", "true", "s" * 280, "'"]


@dataclass(frozen=True)
class OddTenant:
    """A tenant with applications and APIs as (id, name), and grants."""

    applications: tuple[tuple[str, str], ...]
    apis: tuple[tuple[str, str], ...]
    grants: tuple[dict[str, Any], ...]

    @property
    def seed(self) -> str:
        """The tenant as a seed file. Every character of a text is an escape in YAML, and `$${` stands for `${`."""
        items = {
            "tool": {"client_id": "own", "client_secret": "secret"},
            "applications": [{"client_id": identity, "name": name} for identity, name in self.applications],
            "organizations": [{"name": name} for name in ORGANIZATIONS],
            "apis": [{"identifier": identity, "name": name, "scopes": DEFINED} for identity, name in self.apis],
            "grants": list(self.grants),
        }
        return _flow(items)

    def with_other_ids(self) -> "OddTenant":
        """Return a tenant with the same applications and APIs, but without grants.

        Applications with a unique name have other ids.
        """
        names = [name for _, name in self.applications]
        renamed = [
            (f"moved-{identity}" if names.count(name) == 1 else identity, name) for identity, name in self.applications
        ]
        return replace(self, applications=tuple(renamed), grants=())


def _flow(value: object) -> str:
    match value:
        case dict():
            return f"{{{', '.join(f'{_flow(name)}: {_flow(each)}' for name, each in value.items())}}}"
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case str():
            escaped = value.replace("${", "$${")
            return '"' + "".join(f"\\U{ord(character):08x}" for character in escaped) + '"'
        case _:
            return json.dumps(value)


@st.composite
def _entries(draw: st.DrawFn, kind: str) -> tuple[tuple[str, str], ...]:
    """Return up to five pairs of id and name.

    Names may be equal or similar. Ids have no NUL, because the sandbox refuses it.
    """
    pool = draw(st.lists(odd_texts, min_size=1, max_size=3))
    names = st.sampled_from(pool) | st.sampled_from([name.upper() for name in pool]) | st.sampled_from([*pool, "Other"])
    odd = draw(st.lists(st.tuples(st.just("") | odd_texts, names), min_size=1, max_size=5))
    return tuple((f"{kind}{index}{text}".replace("\0", ""), name) for index, (text, name) in enumerate(odd))


@st.composite
def odd_tenants(draw: st.DrawFn, *, declarable: bool = False) -> OddTenant:
    """Return tenants. With `declarable`, Auth0 would accept each of their grants in a create request."""
    applications, apis = draw(_entries("app")), draw(_entries("api"))
    holders = [("client_id", identity) for identity, _ in applications] + [("default_for", "third_party_clients")]
    grants = draw(
        st.lists(
            st.builds(_grant, st.sampled_from(holders), st.sampled_from(apis), _settings(declarable=declarable)),
            min_size=1,
            max_size=6,
            unique_by=lambda grant: json.dumps([grant.get(part) for part in KEY]),
        )
    )
    return OddTenant(applications, apis, tuple(grants))


KEY = ("client_id", "default_for", "audience", "subject_type")
ORGANIZATION_FIELDS = ("organization_usage", "allow_any_organization", "organizations")


def _settings(*, declarable: bool) -> st.SearchStrategy[dict[str, Any]]:
    allowed = st.sampled_from(DEFINED) if declarable else scopes
    types = st.lists(odd_texts.filter(lambda text: len(text) <= 255 and text.isprintable()), max_size=2, unique=True)
    by_client = st.fixed_dictionaries(
        {},
        optional={
            "organization_usage": st.sampled_from(["allow", "require"]),
            "allow_any_organization": st.booleans(),
            "organizations": st.lists(st.sampled_from(ORGANIZATIONS), max_size=3, unique=True),
        },
    )
    for_user = st.fixed_dictionaries({"subject_type": st.just("user")}, optional={"authorization_details_types": types})
    others = st.just({"subject_type": "anonymous_user"}) if not declarable else st.nothing()
    access = st.just({"allow_all_scopes": True}) | st.builds(
        lambda listed: {"scope": listed}, st.lists(allowed, max_size=4, unique=True)
    )
    return st.builds(lambda one, other: one | other, by_client | for_user | others, access)


def _grant(holder: tuple[str, str], api: tuple[str, str], settings: dict[str, Any]) -> dict[str, Any]:
    name, identity = holder
    usable = {
        field: value
        for field, value in settings.items()
        if not (name == "default_for" and field in ORGANIZATION_FIELDS)
        and not (field in ORGANIZATION_FIELDS and "organization_usage" not in settings)
    }
    return {name: identity, "audience": api[0], "subject_type": "client"} | usable
