"""The texts of the files that `reconciler init` writes."""

from pathlib import Path

from reconciler.contract import stored
from reconciler.files.write import scalar

CONFIGURATION = """\
# yaml-language-server: $schema=schemas/{schema}
default_tenant: {name}
tenants:
  {name}:
    domain: {domain}
"""
EXAMPLE = """\
# yaml-language-server: $schema={schema}
# Each grant allows an application to call an API with some scopes. To add one, remove "[]" and uncomment the lines:
grants: []
#  - client: Billing Worker
#    api: Invoices API
#    scope:
#      - read:invoices
"""
WORKFLOW = Path("github", "pull-request.yml")
TENANTS_OF_EXAMPLES = "[dev, prod]"
ARTIFACT = "name: plan-${{ matrix.tenant }}"
ARTIFACT_BY_NUMBER = "name: plan-${{ strategy.job-index }} # an artifact name cannot contain the tenant's name"
REFUSED_IN_ARTIFACTS = frozenset('":<>|*?\\/\r\n')
EXAMPLES_README = "examples/README.md"
IGNORED_FOLDER = ".reconciler/"
EQUIVALENT_ENTRIES = frozenset({IGNORED_FOLDER, ".reconciler", "/.reconciler", "/.reconciler/"})


def configuration(name: str, domain: str) -> str:
    """Return a reconciler.yaml with one tenant."""
    return CONFIGURATION.format(schema=stored.CONFIG, name=scalar(name), domain=scalar(domain))


def example(schema: str) -> str:
    """Return a grant file without grants. `schema` is the relative path of the schema of grant files."""
    return EXAMPLE.format(schema=schema)


def schemas() -> dict[str, str]:
    """Return the JSON Schemas for editors, by file name."""
    return {name: (stored.folder() / name).read_text(encoding="utf-8") for name in (stored.CONFIG, stored.GRANTS)}


def workflow(name: str) -> str:
    """Return a GitHub workflow that plans pull requests for the tenant `name`."""
    text = (stored.folder("examples") / WORKFLOW).read_text(encoding="utf-8")
    if REFUSED_IN_ARTIFACTS & set(name):
        text = text.replace(ARTIFACT, ARTIFACT_BY_NUMBER)
    return text.replace(TENANTS_OF_EXAMPLES, f"[{scalar(name)}]").replace(
        EXAMPLES_README, f"reconciler's {EXAMPLES_README}"
    )


def gitignore_text(text: str) -> str:
    """Return the text of a .gitignore with an entry for .reconciler/ added, if it is missing."""
    if EQUIVALENT_ENTRIES & {line.strip() for line in text.splitlines()}:
        return text
    line_end = "\r\n" if "\r\n" in text else "\n"
    return f"{text}{'' if text.endswith(chr(10)) or not text else line_end}{IGNORED_FOLDER}{line_end}"
