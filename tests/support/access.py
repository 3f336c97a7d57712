"""Access reports for tests: builders, hostile texts, and reports of any size."""

from random import Random
from typing import Any

from reconciler.core.access.report import (
    AccessGrant,
    AccessReport,
    AccessState,
    GrantedScope,
    GrantLevel,
    ListingStatus,
    Provenance,
    TenantAccess,
)
from reconciler.core.declared_history import Commit
from reconciler.core.fields import SETTINGS
from reconciler.core.identity import TenantName
from reconciler.core.problems import Level, Risk, Source
from support.builders import a_grant

HOSTILE = (
    "</script><script>hacked()</script>",
    "<img src=x onerror=hacked()>",
    "\"><svg onload=hacked()>' onmouseover='hacked()",
    "\u202egnp.exe \u200bzero",
    "=HYPERLINK(1+1)",
    "@SUM(1)",
    "a;=1+1\t=2",
    "x | y `code` [link](https://evil.example) <!-- -->",
    "::error::\x1b[31mred\r\n##[command]",
    "javascript:hacked()",
    "__proto__",
    "&lt;b&gt; {{7*7}} ${7*7}",
)
"""Texts that attack HTML, Markdown, CSV, terminals or scripts."""
COMMIT = Commit("0123456789" * 4, "2026-01-02", "Alice", "Give access")


def an_access_grant(**fields: Any) -> AccessGrant:
    settings = {each.name: fields.pop(each.name) for each in SETTINGS if each.name in fields}
    values: dict[str, Any] = {
        "grant": a_grant(**settings),
        "application": "Billing",
        "api": "Invoices API",
        "client_id": "billing",
        "third_party": False,
        "audience": "https://api.example.com/invoices",
        "scopes": (GrantedScope("read:invoices", Level.LOW, is_defined=True),),
        "organizations": (),
        "token_lifetime": 86_400,
        "source": Source("grants/billing.yaml", 2, 5),
        "description": "Nightly run",
        "provenance": Provenance(changed=COMMIT, since=COMMIT, pull_request="#12"),
        "grant_id": "cgr_1",
    }
    return AccessGrant(**{**values, **fields})


def a_tenant_access(*grants: AccessGrant, name: str = "prod", **fields: Any) -> TenantAccess:
    values: dict[str, Any] = {
        "tenant": TenantName(name, f"{name}.example"),
        "listings": (ListingStatus("grants", len(grants)),),
        "grants": tuple(sorted(grants, key=lambda each: each.order)),
    }
    return TenantAccess(**{**values, **fields})


def an_access_report(*tenants: TenantAccess, **fields: Any) -> AccessReport:
    values: dict[str, Any] = {
        "time": "2026-01-02T03:04:05Z",
        "commit": COMMIT.hash,
        "history": "",
        "tenants": tenants or (a_tenant_access(an_access_grant()),),
    }
    return AccessReport(**{**values, **fields})


def unread_part(*grants: AccessGrant, reason: str = "the token lacks read:client_grants") -> TenantAccess:
    """Return a tenant whose grants were not read. With an empty `reason`, return a tenant without grants."""
    return a_tenant_access(*grants, listings=(ListingStatus("grants", None if reason else 0, reason),))


def a_hostile_report() -> AccessReport:
    """Return a report in which every text from a tenant, a file or git is hostile."""
    grants = tuple(
        an_access_grant(
            application=text,
            client_id=text,
            api=text,
            audience=text,
            subject_type=text,
            scopes=(GrantedScope(text, Level.CRITICAL, is_defined=False),),
            organization_usage=text,
            organizations=(text,),
            authorization_details_types=frozenset({text}),
            state=AccessState.UNDECLARED,
            detail=text,
            guard=text,
            risks=(Risk("rule", Level.CRITICAL, text),),
            level=GrantLevel.CRITICAL,
            source=Source(text, number + 1, 1),
            link="javascript:hacked()",
            description=text,
            provenance=Provenance(
                changed=Commit("f" * 40, text, text, text),
                since=Commit("e" * 40, text, text, text),
                pull_request=f"#{number}",
                pull_request_link="javascript:hacked()",
            ),
            grant_id=text,
        )
        for number, text in enumerate(HOSTILE)
    )
    tenant = a_tenant_access(
        *grants,
        tenant=TenantName(HOSTILE[0], HOSTILE[1]),
        listings=(ListingStatus("grants", len(grants)), ListingStatus("applications", None, HOSTILE[0])),
        notes=HOSTILE,
    )
    return an_access_report(tenant, history=HOSTILE[1], selection=HOSTILE[0])


def a_large_report(grants: int, *, applications: int = 300, apis: int = 60, tenants: int = 1) -> AccessReport:
    """Return a report with generated grants. Equal arguments give equal reports."""
    random = Random(grants)
    verbs = ("read", "write", "delete", "export", "approve")
    per_tenant = [
        [_generated_grant(random, number, applications, apis, verbs) for number in range(grants // tenants)]
        for _ in range(tenants)
    ]
    return an_access_report(
        *(a_tenant_access(*each, name=f"tenant-{number}") for number, each in enumerate(per_tenant))
    )


def _generated_grant(random: Random, number: int, applications: int, apis: int, verbs: tuple[str, ...]) -> AccessGrant:
    # distinct pairs, as in a tenant, as long as there are enough of them
    application, api = number % applications, (number // applications + number * 7) % apis
    scopes = sorted(random.sample(verbs, random.randint(1, 4)))
    level = random.choices(list(GrantLevel), (1, 6, 1, 20, 72))[0]
    change = random.randrange(400)
    commit = Commit(f"{change:040x}", f"2026-01-{1 + change % 28:02}", "Alice", "Give access")
    return an_access_grant(
        application=f"Application {application:03}",
        client_id=f"client{application:026}",
        api=f"Resource API {api:02}",
        audience=f"https://api.example.com/resource/{api}",
        scopes=tuple(GrantedScope(f"{verb}:resource{api}", Level.LOW, is_defined=True) for verb in scopes),
        state=random.choices(list(AccessState), [5] * (len(AccessState) - 1) + [200])[0],
        level=level,
        risks=(Risk("rule", Level.HIGH, "scopes with administrative names"),) * (level is GrantLevel.HIGH),
        source=Source(f"grants/application-{application:03}.yaml", 3 + number % 200, 5),
        description=f"Ticket OPS-{random.randrange(2000)}",
        provenance=Provenance(changed=commit, since=commit, pull_request=f"#{change}"),
    )
