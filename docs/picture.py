"""Write docs/plan.svg, a picture of the demo tenant's plan in a terminal. `make picture` runs this script."""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS = 84
ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "plan.svg"
PROMPT = "$ reconciler plan"

# Background, foreground and the eight terminal colours. They are readable on light and dark pages.
THEME = TerminalTheme(
    (22, 27, 34),
    (214, 220, 228),
    [
        (22, 27, 34),
        (248, 113, 105),
        (86, 211, 100),
        (227, 179, 65),
        (108, 182, 255),
        (188, 140, 255),
        (57, 197, 207),
        (214, 220, 228),
    ],
)

# The template loads no font, because a picture in a README should not send requests.
TEMPLATE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="A plan">
<style>
.{unique_id}-matrix {{ font: {char_height}px/{line_height}px ui-monospace, Menlo, Consolas, monospace; }}
.{unique_id}-title {{ font: 18px sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    """Plan for a new demo tenant and write the picture of the output."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(f"[bold]{PROMPT}[/bold]\n", highlight=False)
    console.print(Text.from_ansi(plan_output()))
    console.save_svg(str(PICTURE), title="reconciler", theme=THEME, code_format=TEMPLATE, unique_id="plan")


def plan_output() -> str:
    """Return the coloured output of `reconciler plan` for a copy of this repository's files."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("reconciler.yaml", "sandbox.yaml"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "grants", Path(folder) / "grants")
        command = [sys.executable, "-m", "reconciler", "--color", "always", "plan"]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
