"""The one command by which every claim about speed, memory and requests is made: see the README beside this file.

python -m benchmarks [--all] [--keep] [--show]
"""

import argparse
import sys
from pathlib import Path

from benchmarks import goals, plot, report
from benchmarks.page import with_table
from benchmarks.results import Results, as_json, from_json
from benchmarks.suite import FULL, QUICK, Suite, run_suite
from benchmarks.tools import ROOT, all_tools

RESULTS = Path(__file__).parent / "results.json"
PICTURE = ROOT / "docs" / "benchmarks.svg"
PAGE = ROOT / "docs" / "performance.md"


def main() -> None:
    """Measure, or take what was measured, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, side by side.")
    parser.add_argument("--all", action="store_true", help="measure everything, which takes half an hour")
    parser.add_argument("--show", action="store_true", help="measure nothing; print results.json once more")
    parser.add_argument(
        "--keep", action="store_true", help="write results.json, the picture and the table of docs/performance.md"
    )
    request = parser.parse_args()
    results = from_json(RESULTS.read_text()) if request.show else measured(FULL if request.all else QUICK)
    print(report.as_text(results), goals.as_text(goals.goals(results)), sep="\n\n")
    if request.keep:
        keep(results)


def measured(suite: Suite) -> Results:
    """Carry out a suite with what is installed."""
    tools = [tool for tool in all_tools() if tool.version]
    return run_suite(suite, tools, lambda line: print(line, file=sys.stderr, flush=True))


def keep(results: Results) -> None:
    """Write what the repository keeps of results; picture and table show them as they are kept, rounded."""
    RESULTS.write_text(as_json(results))
    kept = from_json(RESULTS.read_text())
    PICTURE.write_text(plot.as_svg(kept))
    PAGE.write_text(with_table(PAGE.read_text(), kept))


if __name__ == "__main__":
    main()
