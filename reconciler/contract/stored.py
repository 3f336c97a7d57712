"""Locate and load the schema files. Only this module knows their folder."""

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

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def folder(name: str = "schemas") -> Path:
    """Return the path of a data folder: inside the package in a wheel, at the top level in a checkout."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


@cache
def load(name: str) -> dict[str, Any]:
    """Return the parsed content of a schema file. Callers share the value and must not change it."""
    content: dict[str, Any] = json.loads((folder() / name).read_text(encoding="utf-8"))
    return content
