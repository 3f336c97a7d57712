"""The tables of a tenant's database, with indexes for every listing of the API.

Each kind has an id, the JSON text of the response, two times in UNIX seconds, and generated columns for searching.
"""

NO_TABLES = 0
VERSION = 5  # increase the version with every change below
APPLICATION_ID = 0x52534258
"""The application id of sandbox databases: PRAGMA application_id."""

TABLES = frozenset({"tenant", "clients", "resource_servers", "client_grants"})
"""The tables of an older sandbox. A database with these tables and without an application id is an older sandbox."""


def _table(name: str, *columns: str) -> str:
    own = ("id TEXT PRIMARY KEY NOT NULL", "body TEXT NOT NULL", "created_at REAL NOT NULL", "updated_at REAL NOT NULL")
    return f"CREATE TABLE {name} ({', '.join((*own, *columns))}) STRICT"


def _text(name: str) -> str:
    return f"{name} TEXT GENERATED ALWAYS AS (json_extract(body, '$.{name}')) VIRTUAL"


def _parent(name: str, table: str) -> str:
    return f"{_text(name)} REFERENCES {table} ON DELETE CASCADE"


def _flag(name: str, absent: int) -> str:
    value = f"ifnull(json_extract(body, '$.{name}'), {absent})"
    return f"{name} INTEGER GENERATED ALWAYS AS ({value}) VIRTUAL"


STATEMENTS = (
    """CREATE TABLE tenant (one INTEGER PRIMARY KEY CHECK (one = 1), domain TEXT NOT NULL, client_id TEXT NOT NULL,
       client_secret TEXT NOT NULL, signing_key BLOB NOT NULL, seed TEXT NOT NULL)""",
    _table("clients", _text("name"), _text("app_type"), _flag("global", 0), _flag("is_first_party", 1)),
    "CREATE INDEX clients_by_creation ON clients (global)",  # SQLite adds the rowid to each index
    _table("resource_servers", _text("name"), _text("identifier")),
    "CREATE UNIQUE INDEX resource_servers_by_identifier ON resource_servers (identifier)",
    _table("organizations", _text("name"), _text("display_name")),
    "CREATE UNIQUE INDEX organizations_by_name ON organizations (name)",
    _table(
        "client_grants",
        *(_text(name) for name in ("client_id", "default_for", "audience", "subject_type")),
        _flag("allow_any_organization", 0),
    ),
    # Only one grant can exist per holder, API and subject type. The index also prevents duplicates by other processes.
    """CREATE UNIQUE INDEX client_grants_by_key
       ON client_grants (ifnull(client_id, ''), ifnull(default_for, ''), audience, subject_type)""",
    "CREATE INDEX client_grants_by_client ON client_grants (client_id, id)",
    "CREATE INDEX client_grants_by_audience ON client_grants (audience, id)",
    "CREATE INDEX client_grants_by_default ON client_grants (default_for, id)",
    "CREATE INDEX client_grants_by_any_organization ON client_grants (allow_any_organization, id)",
    _table("client_credentials", _parent("client_id", "clients")),
    "CREATE INDEX client_credentials_by_client ON client_credentials (client_id, id)",
    # An association is deleted together with its grant or its organization.
    _table(
        "organization_client_grants", _parent("organization_id", "organizations"), _parent("grant_id", "client_grants")
    ),
    """CREATE UNIQUE INDEX organization_client_grants_by_organization
       ON organization_client_grants (organization_id, grant_id)""",
    "CREATE INDEX organization_client_grants_by_grant ON organization_client_grants (grant_id, organization_id)",
    _table("logs", *(_text(name) for name in ("type", "date", "client_id", "client_name", "audience"))),
    "CREATE INDEX logs_by_date ON logs (date, id)",
    "CREATE TABLE used_once (name TEXT PRIMARY KEY NOT NULL, until REAL NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX used_once_by_time ON used_once (until)",
)
