"""Read fault plans from files and from the bodies of requests."""

from pathlib import Path

from auth0_sandbox.faults.plan import FaultPlan, plan_from
from auth0_sandbox.store.documents import Schema, parse
from auth0_sandbox.yaml_files import parse_file, read_file

_SCHEMA = Path(__file__).resolve().parents[1] / "faults_schema.json"


def read_faults(path: Path) -> FaultPlan:
    """Return the fault plan in a YAML or JSON file.

    Raises:
        SandboxError: if the file cannot be read.
        FileError: if the file is not a valid fault plan. The error contains every problem.
    """
    return plan_from(read_file(path, _schema()).data)


def parse_faults(content: bytes, name: str = "faults") -> FaultPlan:
    """Return the fault plan in a YAML or JSON text. Problems contain `name` as the file name.

    Raises:
        FileError: if the text is not a valid fault plan. The error contains every problem.
    """
    return plan_from(parse_file(content, name, _schema()).data)


def _schema() -> Schema:
    return parse(_SCHEMA.read_text(encoding="utf-8"))
