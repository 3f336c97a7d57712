"""Which part may know which: the drawing of the README as a table, checked against every import there is."""

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

# part -> the parts that it may import, besides itself. The first part that fits a module is the one it belongs to.
MAY_IMPORT = {
    "core": {"errors"},
    "errors": {"core.problems"},
    "contract": {"core", "errors"},
    "git": {"core.characters", "errors"},
    "files": {"contract.stored", "core", "errors", "git"},
    "config": {"core", "errors", "files.custom_schemas", "files.document"},
    "redaction": set(),
    "concurrency": set(),
    "http": {"core.characters", "errors"},
    "auth0": {"concurrency", "core", "errors", "http", "redaction"},
    "artifacts": {"", "contract.stored", "core", "errors", "files", "output.words"},
    "output": {"artifacts.serialization", "core"},
    "connect": {
        *("auth0", "config", "core.directory", "core.identity", "core.problems", "errors", "redaction"),
    },
    "observe": {"auth0", "concurrency", "core", "errors"},
    "change_executor": {"artifacts.journal", "auth0", "concurrency", "core", "http.retry"},
    "apply": {"auth0", "change_executor", "core"},
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
            "contract.stored",
            "core",
            "errors",
        ),
        *("files", "forge", "git", "http", "observe", "output", "redaction"),
    },
    "cli": {
        *("app", "artifacts", "config", "connect", "contract", "core", "doctor", "errors", "files", "forge", "git"),
        *("connect", "http", "observe", "output", "redaction"),
    },
    "__main__": {"cli.main"},
    "": set(),
}

# package -> where it lives; of the standard library, what touches the world outside
HOMES = {
    "auth0_sandbox": {"cli.sandbox", "connect"},
    "click": {"cli"},
    "deepdiff": {"core.diff"},
    "httpx": {"auth0", "forge.http", "http.proxy"},
    "jsonschema": {"files.messages"},
    "jsonschema_rs": {"files.custom_schemas", "files.validity"},
    "jwt": {"auth0.credentials"},
    "yaml": {"files.layout", "files.loader", "files.yaml_messages"},
    "asyncio": {
        *("app", "apply", "artifacts.journal", "auth0", "change_executor", "cli.doctor", "concurrency", "doctor.probe"),
        *("http.retry", "observe"),
    },
    "subprocess": {"git.repository"},
}
SANDBOX = ROOT / "auth0_sandbox"
"""The tenant that tests trust. It knows nothing of the client and the planner that are tested against it."""
SANDBOX_HOMES = {
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
"""Names in os and asyncio."""

DISTRIBUTIONS = {"yaml": "PyYAML", "jwt": "PyJWT", "jsonschema_rs": "jsonschema-rs"}
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
    """Yield the full names of the modules that a module imports, wherever in it."""
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


def ours(module: str) -> set[str]:
    named = (name for name in imports(module) if name.split(".")[0] == "reconciler")
    return {name.removeprefix("reconciler").lstrip(".") for name in named}


def others(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(module)} - {"reconciler"}


def belongs(module: str, part: str) -> bool:
    return not part or module == part or module.startswith(f"{part}.")


@every_module
def test_a_module_imports_only_what_its_part_may_know(module: str) -> None:
    part = next(part for part in MAY_IMPORT if belongs(module, part))
    allowed = {part, *MAY_IMPORT[part]}

    # the package itself has nothing but its version
    assert {name for name in ours(module) - {""} if not any(belongs(name, each) for each in allowed)} == set()


@every_module
def test_a_package_is_imported_in_its_home_only(module: str) -> None:
    strangers = {
        package
        for package in others(module)
        if (package in HOMES or package not in sys.stdlib_module_names)
        and not any(belongs(module, home) for home in HOMES.get(package, ()))
    }

    assert strangers == set()


@every_module
def test_git_is_run_in_one_place_and_no_other_program_is_started(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    named = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}

    assert not [name for name in called | named if STARTS_A_PROGRAM.fullmatch(name)]
    assert others(module).isdisjoint({"multiprocessing", "pty"})


@every_module
def test_a_module_that_says_it_is_pure_touches_nothing_outside(module: str) -> None:
    says_so = module.startswith(("core.", "output.")) or '"""Pure: ' in MODULES[module].read_text(encoding="utf-8")

    assert not says_so or others(module).isdisjoint(IMPURE)


@every_module
def test_a_module_is_small_enough_to_be_read_at_once(module: str) -> None:
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_packages_hold_no_logic_in_their_init() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert all(isinstance(node, ast.Expr | ast.Assign) for node in body), path


def test_no_module_imports_itself_over_others() -> None:
    TopologicalSorter({module: ours(module) - {""} for module in MODULES}).prepare()


def test_every_row_of_the_tables_is_needed() -> None:
    used = {package for module in MODULES for package in others(module)}

    assert set(HOMES) <= used
    assert set(MAY_IMPORT) == {next(part for part in MAY_IMPORT if belongs(module, part)) for module in MODULES}


def test_every_package_that_is_imported_is_declared_and_the_other_way_round() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["sandbox"]]

    declared = {re.split(r"[^\w-]", requirement)[0] for requirement in needed}
    homes = {*HOMES, *SANDBOX_HOMES} - {"auth0_sandbox"}
    imported = {DISTRIBUTIONS.get(name, name) for name in homes if name not in sys.stdlib_module_names}
    assert declared == imported - {"pytest"} | {"sniffio"}  # the one loads us, the other is for httpcore


def test_the_sandbox_imports_nothing_of_reconciler_and_each_package_in_its_home_only() -> None:
    wrong = []
    for path in SANDBOX.rglob("*.py"):
        module = ".".join(path.relative_to(SANDBOX).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for package in {name.split(".")[0] for name in names} - {"auth0_sandbox"}:
                foreign = package not in sys.stdlib_module_names or package in SANDBOX_HOMES
                if foreign and not any(belongs(module, home) for home in SANDBOX_HOMES.get(package, ())):
                    wrong.append((module, package))

    assert wrong == []


def test_no_two_classes_share_a_name() -> None:
    names = Counter(
        node.name
        for package in (PACKAGE, SANDBOX)
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, count in names.items() if count > 1] == []
