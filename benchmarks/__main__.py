"""Measure the speed, the memory and the requests of reconciler and other tools. See benchmarks/README.md.

python -m benchmarks [--all] [--keep] [--show]
"""

import argparse
import sys
from pathlib import Path

from benchmarks import goals, plot, report
from benchmarks.results import Results, as_json, from_json
from benchmarks.suite import FULL, QUICK, Suite, run_suite
from benchmarks.tools import ROOT, all_tools

RESULTS = Path(__file__).parent / "results.json"
PICTURE = ROOT / "docs" / "benchmarks.svg"
PAGE = ROOT / "docs" / "performance.md"


def main() -> None:
    """Run the measurements or read the stored results, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare reconciler with other tools.")
    parser.add_argument("--all", action="store_true", help="run all measurements (half an hour)")
    parser.add_argument("--show", action="store_true", help="print results.json without measuring")
    parser.add_argument(
        "--keep", action="store_true", help="write results.json, the picture and the table of docs/performance.md"
    )
    options = parser.parse_args()
    results = from_json(RESULTS.read_text()) if options.show else run_installed(FULL if options.all else QUICK)
    print(report.as_text(results), goals.as_text(goals.goals(results)), sep="\n\n")
    if options.keep:
        write_results(results)


def run_installed(suite: Suite) -> Results:
    """Run a suite with the installed tools."""
    tools = [tool for tool in all_tools() if tool.version]
    return run_suite(suite, tools, lambda line: print(line, file=sys.stderr, flush=True))


def write_results(results: Results) -> None:
    """Write results.json, the picture and the table.

    The picture and the table show the rounded values in results.json.
    """
    RESULTS.write_text(as_json(results))
    rounded = from_json(RESULTS.read_text())
    PICTURE.write_text(plot.as_svg(rounded))
    PAGE.write_text(report.replace_table(PAGE.read_text(), rounded))


if __name__ == "__main__":
    main()
