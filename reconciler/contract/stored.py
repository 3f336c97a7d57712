"""Find and load schema files, and load the templates of init and demo.

Only this module contains the location of the schema files and templates.
"""

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
    """Return the path of the data folder or data file `name`.

    In an installed package, data files are inside the package. In a clone, data files are at the top level of the
    repository.
    """
    packaged = _PACKAGE / name
    return packaged if packaged.exists() else _PACKAGE.parent / name


def text(name: str) -> str:
    """Return the text of the data file `name`, a path relative to the repository."""
    top, _, rest = name.partition("/")
    return (folder(top) / rest if rest else folder(top)).read_text(encoding="utf-8")


@cache
def load(name: str) -> dict[str, Any]:
    """Return the parsed content of the schema file `name`.

    All callers share the returned value, so a caller must not change the value.
    """
    content: dict[str, Any] = json.loads((folder() / name).read_text(encoding="utf-8"))
    return content
