"""The import rules: which part may import which parts, and which modules may import a third-party package."""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "reconciler"
MAX_LINES = 400

# Each part may import itself and these parts. A module belongs to the first part in the table that matches its name.
MAY_IMPORT = {
    "core": {"errors"},
    "errors": {"core.problems"},
    "contract": {"core", "errors"},
    "git": {"core.characters", "errors"},
    "files": {"contract.stored", "core", "errors", "git"},
    "config": {"core", "errors", "files.custom_schemas", "files.document"},
    "foreign": {"contract.stored", "core", "files"},
    "redaction": set(),
    "concurrency": set(),
    "http": {"core.characters", "errors"},
    "auth0": {"concurrency", "core", "errors", "http", "redaction"},
    "artifacts": {"", "contract.stored", "core", "errors", "files"},
    "output": {
        "artifacts.fleet_json",
        "artifacts.grant_json",
        "artifacts.serialization",
        "core",
        "foreign.grants",
    },
    "connect": {"auth0", "config", "core", "errors", "redaction"},
    "observe": {"auth0", "concurrency", "core", "errors"},
    "change_executor": {"artifacts.journal", "auth0", "concurrency", "core", "http.retry"},
    "apply": {"auth0", "change_executor", "concurrency", "core"},
    "doctor": {"auth0", "config", "connect", "core", "errors", "files", "http", "observe", "redaction"},
    "forge": {"core.characters", "errors", "http", "redaction"},
    "app": {
        *(
            "apply",
            "artifacts",
            "auth0",
            "concurrency",
            "config",
            "connect",
            "contract",
            "core",
            "errors",
        ),
        *("files", "foreign", "forge", "git", "http", "observe", "output", "redaction"),
    },
    "cli": {
        *("app", "artifacts", "config", "connect", "contract", "core", "doctor", "errors", "files", "forge", "git"),
        *("connect", "http", "observe", "output", "redaction"),
    },
    "__main__": {"cli.main"},
    "": set(),
}

# The modules that may import a package. The table has third-party packages, and packages of the standard library that
# access the network, processes or files.
IMPORTED_BY = {
    "auth0_sandbox": {"cli.sandbox", "connect"},
    "click": {"cli"},
    "deepdiff": {"core.diff"},
    "httpx": {"auth0", "forge.http", "http.proxy"},
    "jsonschema": {"files.messages"},
    "jsonschema_rs": {"files.custom_schemas", "files.validity"},
    "jwt": {"auth0.credentials"},
    "yaml": {"files.layout", "files.loader", "files.yaml_messages", "foreign.document"},
    "asyncio": {
        *("app", "apply", "artifacts.journal", "auth0", "change_executor", "cli.doctor", "concurrency", "doctor.probe"),
        *("http.retry", "observe"),
    },
    "subprocess": {"git.repository"},
}
SANDBOX = ROOT / "auth0_sandbox"
"""The tests trust the sandbox, so it shares no code with the client and the planner."""
SANDBOX_IMPORTED_BY = {
    "cryptography": {"api.keys", "server.tls"},
    "httpx": {"server.transport"},
    "jsonschema": {"yaml_files"},
    "jsonschema_rs": {"yaml_files"},
    "jwt": {"api.keys", "requests.tokens"},
    "pytest": {"pytest_plugin"},
    "socket": {"server.serve"},
    "sqlite3": {"store"},
    "starlette": {"requests", "server", "tenant"},
    "uvicorn": {"server.serve"},
    "yaml": {"yaml_files"},
}
STARTS_A_PROGRAM = re.compile(
    r"(system|popen|startfile|fork|forkpty|exec[lv]p?e?|posix_spawnp?|spawn[lv]p?e?|subprocess_(exec|shell)"
    r"|create_subprocess_(exec|shell))"
)
"""Functions of os and asyncio that start a program."""

DISTRIBUTIONS = {"yaml": "PyYAML", "jwt": "PyJWT", "jsonschema_rs": "jsonschema-rs"}
# These parts take values and return values. They read and write no files, and send no requests.
PURE = {
    *("core", "output", "foreign", "contract.compare", "contract.derive", "contract.editor", "contract.openapi"),
    *("artifacts.fleet_json", "artifacts.grant_json", "artifacts.serialization", "auth0.wire"),
    *("files.config_edit", "files.document", "files.fast_yaml", "files.fmt", "files.messages", "files.mistakes"),
    *("files.schema", "files.specs", "files.update", "files.validity", "files.write", "files.yaml_messages"),
    "http.retry_hints",
}
IMPURE = {
    *("asyncio", "io", "os", "random", "secrets", "signal", "socket", "sqlite3", "subprocess", "sys", "time"),
    *("click", "httpx", "uvicorn"),
}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
every_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "reconciler")


def imports(module: str) -> Iterator[str]:
    """Yield the full names of the modules that a module imports, including imports in functions."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=str(source), names=names, level=0):
                inside = {f"{source}.{name.name}" for name in names}
                found = {name for name in inside if name.removeprefix("reconciler.") in MODULES}
                yield from found or {source}
            case ast.ImportFrom():
                pytest.fail(f"{module} imports relatively")
            case _:
                pass


def internal_imports(module: str) -> set[str]:
    named = (name for name in imports(module) if name.split(".")[0] == "reconciler")
    return {name.removeprefix("reconciler").lstrip(".") for name in named}


def imported_packages(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)} - {"reconciler"}


def is_part_of(module: str, part: str) -> bool:
    return not part or module == part or module.startswith(f"{part}.")


@every_module
def test_a_module_imports_only_the_parts_in_the_table(module: str) -> None:
    part = next(part for part in MAY_IMPORT if is_part_of(module, part))
    allowed = {part, *MAY_IMPORT[part]}

    # importing the package itself is allowed, because it contains only the version
    assert {
        name for name in internal_imports(module) - {""} if not any(is_part_of(name, each) for each in allowed)
    } == set()


@every_module
def test_a_package_is_imported_only_by_the_modules_in_the_table(module: str) -> None:
    violations = {
        package
        for package in imported_packages(module)
        if (package in IMPORTED_BY or package not in sys.stdlib_module_names)
        and not any(is_part_of(module, importer) for importer in IMPORTED_BY.get(package, ()))
    }

    assert violations == set()


@every_module
def test_no_module_starts_programs_without_the_git_module(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}

    assert not [name for name in called | named if STARTS_A_PROGRAM.fullmatch(name)]
    assert imported_packages(module).isdisjoint({"multiprocessing", "pty"})


@every_module
def test_a_pure_module_imports_no_package_for_input_and_output(module: str) -> None:
    is_pure = any(is_part_of(module, part) for part in PURE)

    assert not is_pure or imported_packages(module).isdisjoint(IMPURE)


@every_module
def test_a_module_has_at_most_400_lines(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_init_files_contain_no_logic() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert all(isinstance(node, ast.Expr | ast.Assign) for node in body), path


def test_there_are_no_import_cycles() -> None:
    TopologicalSorter({module: internal_imports(module) - {""} for module in MODULES}).prepare()


def test_the_tables_have_no_unused_rows() -> None:
    used = {package for module in MODULES for package in imported_packages(module)}

    assert set(IMPORTED_BY) <= used
    assert set(MAY_IMPORT) == {next(part for part in MAY_IMPORT if is_part_of(module, part)) for module in MODULES}
    assert [part for part in PURE if not any(is_part_of(module, part) for module in MODULES)] == []


def test_the_declared_dependencies_are_the_imported_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["sandbox"]]

    declared = {re.split(r"[^\w-]", requirement)[0] for requirement in needed}
    packages = {*IMPORTED_BY, *SANDBOX_IMPORTED_BY} - {"auth0_sandbox"}
    imported = {DISTRIBUTIONS.get(name, name) for name in packages if name not in sys.stdlib_module_names}
    assert declared == imported - {"pytest"} | {"sniffio"}  # pytest loads the plugin; httpcore needs sniffio


def test_the_sandbox_imports_only_the_packages_in_its_table() -> None:
    violations = []
    for path in SANDBOX.rglob("*.py"):
        module = ".".join(path.relative_to(SANDBOX).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for package in {name.split(".")[0] for name in names} - {"auth0_sandbox"}:
                is_restricted = package not in sys.stdlib_module_names or package in SANDBOX_IMPORTED_BY
                if is_restricted and not any(
                    is_part_of(module, importer) for importer in SANDBOX_IMPORTED_BY.get(package, ())
                ):
                    violations.append((module, package))

    assert violations == []


def test_no_two_classes_share_a_name() -> None:
    names = Counter(
        node.name
        for package in (PACKAGE, SANDBOX)
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, count in names.items() if count > 1] == []
