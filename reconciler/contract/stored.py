"""Locate and load the schema files and the templates of init and demo. Only this module knows their folders."""

import json
from functools import cache
from pathlib import Path
from typing import Any

OPENAPI = "client-grants.openapi.json"
GRANTS = "grants.schema.json"
PLAN = "plan.schema.json"
OUTCOME = "outcome.schema.json"
ACCESS = "access.schema.json"
FLEET = "fleet.schema.json"
FLEET_RESULT = "fleet-result.schema.json"
CONFIG = "reconciler.schema.json"
USAGE = "usage.schema.json"
WRITES = "management-api-writes.json"

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def folder(name: str = "schemas") -> Path:
    """Return the path of a data folder or file: inside the package in a wheel, at the top level in a checkout."""
    packaged = _PACKAGE / name
    return packaged if packaged.exists() else _PACKAGE.parent / name


def text(name: str) -> str:
    """Return the text of a data file. `name` is a path from the top level of a checkout."""
    top, _, rest = name.partition("/")
    return (folder(top) / rest if rest else folder(top)).read_text(encoding="utf-8")


@cache
def load(name: str) -> dict[str, Any]:
    """Return the parsed content of a schema file. Callers share the value and must not change it."""
    content: dict[str, Any] = json.loads((folder() / name).read_text(encoding="utf-8"))
    return content
