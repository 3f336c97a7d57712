"""The only module that knows where the schemas and examples are: in the package when installed, else beside it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

OPENAPI = "client-grants.openapi.json"
GRANTS = "grants.schema.json"
PLAN = "plan.schema.json"
OUTCOME = "outcome.schema.json"
CONFIG = "reconciler.schema.json"

_PACKAGE = Path(__file__).resolve().parent.parent


@cache
def folder(name: str = "schemas") -> Path:
    """Return a folder of data: packaged in a wheel, top-level in a checkout or editable install."""
    packaged = _PACKAGE / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


@cache
def load(name: str) -> dict[str, Any]:
    """Return a schema file's parsed content; callers share it and leave it as it is."""
    content: dict[str, Any] = json.loads((folder() / name).read_text(encoding="utf-8"))
    return content
