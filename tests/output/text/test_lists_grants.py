from support.builders import a_directory, a_grant, a_key

from reconciler.core.imports.selection import GrantImport, NotImported
from reconciler.output.styled import plain
from reconciler.output.text.lists import MAX_LISTED, ImportCounts, import_lines, left_out_lines

COUNT = MAX_LISTED + 2
LARGE_IMPORT = GrantImport(
    holders=tuple((f"app-{number}", (a_grant(a_key(f"app-{number}")),)) for number in range(COUNT)),
    left_out=tuple(NotImported(a_key(f"\x1b[2J{number:02}"), "Auth0 made this grant") for number in range(COUNT)),
    declared=3,
)
COUNTS = ImportCounts(COUNT, declared=3, left_out=COUNT)
FILES = [f"grants/app-{number}.yaml" for number in range(COUNT)]


def test_long_lists_are_truncated_with_a_note() -> None:
    text = plain(import_lines(COUNTS, FILES, verbose=False))

    assert text.startswith(
        "Imported: 22 grants in 22 new files; 3 declared already, 22 left out.\n    grants/app-0.yaml\n"
    )
    assert text.endswith("    grants/app-19.yaml\n    and 2 more; use -v to list all\n")
    assert plain(left_out_lines(LARGE_IMPORT, a_directory({}, []), verbose=False)).endswith(
        "\n    and 2 more; use -v to list all\n"
    )


def test_every_item_is_listed_on_request() -> None:
    assert plain(import_lines(COUNTS, FILES, verbose=True)).endswith("    grants/app-21.yaml\n")
    assert plain(left_out_lines(LARGE_IMPORT, a_directory({}, []), verbose=True)).count("Left out: ") == COUNT


def test_text_of_the_tenant_is_escaped() -> None:
    text = plain(left_out_lines(LARGE_IMPORT, a_directory({}, []), verbose=False))

    assert text.startswith("Left out: \\x1b[2J00 -> https://api.example.com/invoices\n    Auth0 made this grant\n")
