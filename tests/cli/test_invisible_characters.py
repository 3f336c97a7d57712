"""Invisible characters are refused in files and escaped in all output."""

import re
import sys
from pathlib import Path

import pytest
from support.commands import CONFIG, GRANTS, SEED, reconciler
from support.repository import commit_all

from reconciler.core.characters import has_invisible, is_invisible
from reconciler.files.write import double_quoted

INVISIBLE = [
    chr(number)
    for number in range(sys.maxunicode + 1)
    if is_invisible(chr(number)) and not 0xE0080 <= number <= 0xE0FEF
]
PRUNED = ("--prune", "--max-updates", "100", "--max-deletes", "100")
NAMES = ["".join(INVISIBLE[start : start + 6]) for start in range(0, len(INVISIBLE), 6)]


@pytest.mark.parametrize("char", ["\u200b", "\u2028", "\r", "\ufe0f", "\u3164", "\ufeff", "\U000e0041"], ids=ascii)
@pytest.mark.parametrize(
    ("file", "text", "arguments"),
    [
        ("grants/billing.yaml", GRANTS.replace("client: Billing", "client: Bill@ing"), ["validate"]),
        ("grants/billing.yaml", GRANTS.replace("client: Billing", "client: Bill@ing"), ["plan"]),
        ("grants/billing.yaml", GRANTS.replace("client: Billing", "client: Bill@ing"), ["fmt"]),
        ("grants/billing.yaml", f"# a@b\n{GRANTS}", ["apply", "--yes"]),
        ("grants/billing.yaml", f"# a@b\n{GRANTS}", ["validate", "grants/billing.yaml"]),
        ("reconciler.yaml", f"{CONFIG}protect: [{{client: P@x}}]\n", ["plan"]),
        ("reconciler.yaml", f"# a@b\n{CONFIG}", ["validate"]),
        ("tenant.yaml", SEED.replace("name: Portal", "name: Port@al"), ["plan"]),
        ("tenant.yaml", f"{SEED}# a@b\n", ["sandbox", "reset"]),
        ("faults.yaml", "faults: []  # a@b\n", ["sandbox", "serve", "--faults", "faults.yaml"]),
    ],
)
def test_every_command_refuses_a_file_with_an_invisible_character(
    here: Path, char: str, file: str, text: str, arguments: list[str]
) -> None:
    before = text[: text.index("@")]
    position = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    content = text.replace("@", char).encode()
    (here / file).write_bytes(content)

    ran = reconciler(*arguments)

    assert ran.code == 1
    assert f"{file}:{position}: U+{ord(char):04X} " in ran.output
    assert not has_invisible(ran.output)
    assert (here / file).read_bytes() == content


def test_files_at_the_base_are_checked_too(here: Path) -> None:
    file = here / "grants" / "billing.yaml"
    file.write_text(f"# \u202e\n{GRANTS}", encoding="utf-8")
    commit_all(here)
    file.write_text(GRANTS, encoding="utf-8")

    ran = reconciler("plan", "--base", "HEAD", "--only-branch")

    assert ran.code == 1
    assert (
        "grants/billing.yaml in HEAD:1:3: U+202E RIGHT-TO-LEFT OVERRIDE changes the direction of text; " in ran.stderr
    )


def test_fmt_keeps_allowed_characters(here: Path) -> None:
    file = here / "grants" / "billing.yaml"
    file.write_text(
        "grants:\n  # ⚠\ufe0f 👩\u200d💻\n  - api: X\n    description: می\u200cرود\n    client: Y\n", encoding="utf-8"
    )

    assert reconciler("fmt").code == 0
    assert file.read_text(encoding="utf-8") == (
        "grants:\n  # ⚠\ufe0f 👩\u200d💻\n  - client: Y\n    api: X\n    description: می\u200cرود\n"
    )


@pytest.fixture
def tenant(here: Path) -> Path:
    """A tenant with invisible characters in every name and scope, and files that change it."""
    names = [double_quoted(f"App{name}") for name in NAMES]
    scopes = [double_quoted(f"read:{name}") for name in NAMES]
    api = f"Invoices\u3164 {NAMES[0]}"
    seed = [
        SEED.split("applications:", maxsplit=1)[0],
        "applications:",
        *(f"  - {{name: {name}, client_id: app-{number}}}" for number, name in enumerate(names)),
        "apis:",
        f"  - name: {double_quoted(api)}",
        f"    identifier: {double_quoted(f'urn:{NAMES[1]}')}",
        f"    scopes: [{', '.join(scopes)}]",
        f"organizations: [{{name: {double_quoted(f'Org{NAMES[2]}')}}}]",
        "grants:",
        *(f"  - {{client: {name}, api: {double_quoted(api)}, scope: [{scopes[0]}]}}" for name in names[::2]),
    ]
    (here / "tenant.yaml").write_text("\n".join(seed) + "\n", encoding="utf-8")
    grants = [
        f"  - {{client: {name}, api: {double_quoted(api)}, scope: [{scope}], description: {name}}}"
        for name, scope in zip(names[:-2], scopes, strict=False)
    ]
    (here / "grants" / "billing.yaml").write_text("grants:\n" + "\n".join(grants) + "\n", encoding="utf-8")
    return here


@pytest.mark.parametrize(
    "arguments",
    [
        *(["validate", "--format", form] for form in ("text", "json", "github", "sarif")),
        *(["plan", *PRUNED, "--format", form] for form in ("text", "json", "markdown", "sarif")),
        *(["apply", "--yes", *PRUNED, "--format", form] for form in ("text", "json", "markdown")),
        *(["list", "--format", form] for form in ("text", "json")),
        *(["doctor", "--format", form] for form in ("text", "json")),
        *(["import"], ["plan", "-v", *PRUNED], ["plan", *PRUNED, "--base", "HEAD"]),
    ],
    ids=" ".join,
)
def test_no_output_has_an_invisible_character(tenant: Path, arguments: list[str]) -> None:
    commit_all(tenant)

    ran = reconciler(*arguments)

    assert ran.code == 0
    assert not has_invisible(ran.output)
    assert ran.output.replace("\n", "").isprintable()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.usefixtures("tenant")
def test_no_journal_has_an_invisible_character(form: str) -> None:
    reconciler("apply", "--yes", *PRUNED)

    ran = reconciler("journal", "last", "-v", "--format", form)

    assert ran.code == 0
    assert not has_invisible(ran.output)


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_no_problem_has_an_invisible_character(tenant: Path, form: str) -> None:
    file = tenant / "grants" / "billing.yaml"
    lines = [f"  - {{clint: {double_quoted(name)}, {double_quoted(name)}: x{name}}}  # {name}\n" for name in NAMES]
    file.write_text("grants:\n" + "".join(lines), encoding="utf-8")

    for ran in (reconciler("validate", "--format", form), reconciler("validate", "--format", form, terminal=True)):
        assert ran.code == 1
        assert not has_invisible(ran.output)


def test_import_writes_names_as_escapes_and_reads_them_back(tenant: Path) -> None:
    (tenant / "grants" / "billing.yaml").unlink()

    ran = reconciler("import")

    assert (ran.code, reconciler("validate").code) == (0, 0)
    written = "".join(path.read_text(encoding="utf-8") for path in (tenant / "grants").iterdir())
    assert not has_invisible(written)
    assert set(re.findall(r"\\u[0-9a-f]{4}|\\U[0-9a-f]{8}", written)) >= {
        "\\u3164",
        "\\u034f",
        "\\U000e0041",
    }
    assert "0 to create, 0 to update, 0 to delete" in reconciler("plan", "--prune").stdout


def test_applications_that_look_the_same_are_distinguishable(here: Path) -> None:
    (here / "tenant.yaml").write_text(SEED.replace("name: Billing", 'name: "Portal\\ufe0f"'), encoding="utf-8")
    (here / "grants" / "billing.yaml").write_text(
        GRANTS.replace("client: Billing", 'client: "Portal\\ufe0f"'), encoding="utf-8"
    )

    assert "+ Portal\\ufe0f (billing) -> Invoices API" in reconciler("plan").stdout
