import stat
from pathlib import Path

import pytest
from support.commands import reconciler

ORDERED = """\
# the company's
grants:
  # who bills
  - client: Billing
    api: Invoices API   # the one that counts
    description: Nightly run
    scope:
      # first
      - read:invoices
      - write:invoices
      # - void:invoices

  - client: Portal
    api: Invoices API
    scope: [read:invoices, "void:invoices"]
# the end
"""
MIXED = """\
# the company's
grants:
  - client: Portal
    scope: ["void:invoices", read:invoices]
    api: Invoices API

  # who bills
  - description: Nightly run
    scope:
      - write:invoices
      # first
      - read:invoices
      # - void:invoices
    client: Billing
    api: Invoices API   # the one that counts
# the end
"""


@pytest.fixture
def file(here: Path) -> Path:
    (here / "grants" / "billing.yaml").write_text(MIXED, encoding="utf-8")
    return here / "grants" / "billing.yaml"


def test_a_file_is_sorted_and_comments_move_with_their_values(file: Path) -> None:
    ran = reconciler("fmt")

    assert (ran.code, ran.output) == (0, "Put in order: grants/billing.yaml\n")
    assert file.read_text(encoding="utf-8") == ORDERED


def test_a_sorted_file_is_not_written(file: Path) -> None:
    reconciler("fmt")
    before = file.stat()

    ran = reconciler("fmt")

    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "1 file already sorted.\n")
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert file.stat().st_ino == before.st_ino


def test_a_check_names_the_files_and_writes_nothing(file: Path) -> None:
    ran = reconciler("fmt", "--check")

    assert (ran.code, ran.output) == (1, "Not in order: grants/billing.yaml\n")
    assert file.read_text(encoding="utf-8") == MIXED
    reconciler("fmt")
    assert reconciler("fmt", "--check").code == 0


def test_files_and_folders_can_be_named(file: Path, here: Path) -> None:
    other = here / "elsewhere"
    other.mkdir()
    (other / "a.yaml").write_text(MIXED, encoding="utf-8")

    ran = reconciler("fmt", "elsewhere")

    assert ran.stdout == "Put in order: elsewhere/a.yaml\n"
    assert (other / "a.yaml").read_text(encoding="utf-8") == ORDERED
    assert file.read_text(encoding="utf-8") == MIXED


def test_a_file_with_problems_is_reported_and_not_changed(file: Path, here: Path) -> None:
    invalid = "grants:\n  - client: B\n    api: Y\n    scop: [b, a]\n"
    (here / "grants" / "wrong.yaml").write_text(invalid, encoding="utf-8")

    ran = reconciler("fmt")

    assert ran.code == 1
    assert ran.stdout == "Put in order: grants/billing.yaml\n"
    assert 'grants/wrong.yaml:4:5: the key "scop" is unknown' in ran.stderr
    assert (here / "grants" / "wrong.yaml").read_text(encoding="utf-8") == invalid
    assert file.read_text(encoding="utf-8") == ORDERED


def test_a_layout_that_cannot_be_sorted_is_a_problem(here: Path) -> None:
    odd = "grants:\n  - ? api\n    : X\n    ? client\n    : Y\n"
    (here / "grants" / "billing.yaml").write_text(odd, encoding="utf-8")

    ran = reconciler("fmt")

    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr == (
        "grants/billing.yaml: a file with this layout cannot be sorted; write each key and each item on its own line\n"
    )
    assert (here / "grants" / "billing.yaml").read_text(encoding="utf-8") == odd


def test_mode_byte_order_mark_and_line_ends_are_kept(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + MIXED.replace("\n", "\r\n").encode())
    file.chmod(0o664)

    reconciler("fmt")

    assert file.read_bytes() == b"\xef\xbb\xbf" + ORDERED.replace("\n", "\r\n").encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o664


def test_a_link_is_kept_and_its_target_is_sorted(file: Path, here: Path) -> None:
    linked_file = here / "grants" / "of" / "billing.yaml"
    linked_file.parent.mkdir()
    file.rename(linked_file)
    file.symlink_to("of/billing.yaml")

    ran = reconciler("fmt")

    assert ran.code == 0
    assert file.is_symlink()
    assert linked_file.read_text(encoding="utf-8") == ORDERED


def test_files_with_tenants_and_variables_are_sorted(here: Path) -> None:
    config = "tenants: {a: {domain: a.auth0.com, variables: {x: Billing}}, b: {domain: b.auth0.com}}\n"
    (here / "reconciler.yaml").write_text(config, encoding="utf-8")
    text = 'tenants: [b, a]\ngrants:\n  - {api: X, tenants: [a], client: "${x}"}\n'
    (here / "grants" / "billing.yaml").write_text(text, encoding="utf-8")

    assert reconciler("fmt").code == 0
    ordered = 'tenants: [b, a]\ngrants:\n  - {client: "${x}", api: X, tenants: [a]}\n'
    assert (here / "grants" / "billing.yaml").read_text(encoding="utf-8") == ordered


def test_a_flow_list_with_comments_is_not_sorted(file: Path) -> None:
    text = "grants:\n  - client: Billing\n    api: Invoices API\n    scope: [b, # why\n      a]\n"
    file.write_text(text, encoding="utf-8")

    assert reconciler("fmt", "--check").code == 0


def test_an_imported_file_is_sorted(file: Path) -> None:
    file.unlink()
    assert reconciler("import").code == 0

    assert reconciler("fmt", "--check").code == 0


def test_files_shown_with_the_same_name_are_not_changed(tmp_path: Path) -> None:
    grant = "grants:\n  - {scope: [a], api: A, client: %s}\n"
    files = {tmp_path / name: grant % letter for name, letter in (("a\x07.yaml", "X"), ("a\\x07.yaml", "Y"))}
    for file, text in files.items():
        file.write_text(text)

    ran = reconciler("fmt", tmp_path)

    assert ran.code == 1
    assert ran.stderr.count("the output shows several files with this name; rename the files") == 2
    assert {file: file.read_text() for file in files} == files


@pytest.mark.usefixtures("here")
def test_the_grant_files_of_this_repository_are_sorted() -> None:
    ran = reconciler("fmt", "--check", "--grants", Path(__file__).parents[2] / "grants")

    assert (ran.code, ran.output) == (0, "4 files already sorted.\n")
