"""Fault plans as files and as texts: read, checked against their schema, turned into a value."""

from pathlib import Path

from reconciler.core.problems import errors
from reconciler.errors import ProblemsError
from reconciler.files.document import YamlMapping as Mapping
from reconciler.files.loader import parse as parse_yaml
from reconciler.files.read import read_yaml
from reconciler.files.schema import violations
from reconciler.sandbox.documents import Schema, parse
from reconciler.sandbox.faults import FaultPlan, plan_from

_SCHEMA = Path(__file__).resolve().parent / "faults_schema.json"


def read_faults(path: Path) -> FaultPlan:
    """Return the plan in a YAML or JSON file.

    Raises:
        ReconcilerError: there is no such file.
        ProblemsError: it is no fault plan; with every problem.
    """
    read = read_yaml(path, _schema())
    if errors(read.problems):
        raise ProblemsError(read.problems, {read.file: read.text})
    return plan_from(read.data)


def parse_faults(content: bytes, name: str = "faults") -> FaultPlan:
    """Return the plan that a YAML or JSON text says; problems call it `name`.

    Raises:
        ProblemsError: it is no fault plan; with every problem.
    """
    parsed = parse_yaml(content, name)
    problems = parsed.problems or violations(parsed.data, _schema(), file=name)
    if errors(problems) or not isinstance(parsed.data, Mapping):
        raise ProblemsError(problems, {name: parsed.text})
    return plan_from(parsed.data)


def _schema() -> Schema:
    return parse(_SCHEMA.read_text(encoding="utf-8"))
