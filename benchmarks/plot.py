"""Pure: an SVG chart of the time of all tools by the number of grants, with logarithmic axes.

The code draws the SVG itself, because a plotting library would be the largest dependency of the project.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

from benchmarks.results import Results
from benchmarks.tenants import Case, Work
from benchmarks.tools import BARE, DEPLOY, OURS, SDK

WIDTH, HEIGHT = 860, 400
TOP, BOTTOM = 64, 348
PANELS = {Work.NOTHING: (64, 400), Work.CHANGED: (484, 820)}  # the left and right edge of each panel
COLOURS = {OURS: "#56d364", SDK: "#6cb6ff", DEPLOY: "#e3b341", BARE: "#8b949e"}
DASHED = {BARE}
BACKGROUND, INK, FAINT, GRID = "#161b22", "#d6dce4", "#8b949e", "#30363d"

RADIUS = 3


@dataclass(frozen=True, slots=True)
class Line:
    """The points of a tool, as pairs of grants and seconds."""

    tool: str
    points: Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic scale. The scale maps `low` to `start` and `high` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the position of a value on the axis."""
        share = (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return self.start + share * (self.end - self.start)

    @property
    def decades(self) -> Iterator[float]:
        """The powers of ten on the axis."""
        return (10.0**power for power in range(round(log10(self.low)), round(log10(self.high)) + 1))


def as_svg(results: Results) -> str:
    """Return the chart as SVG."""
    panels = {work: _lines(results, work) for work in PANELS}
    every = [point for lines in panels.values() for line in lines for point in line.points]
    sizes = _decades([size for size, _ in every])
    seconds = Scale(*_decades([second for _, second in every]), BOTTOM, TOP)
    drawn = [
        part
        for work, (left, right) in PANELS.items()
        for part in _panel(work, panels[work], Scale(*sizes, left, right), seconds)
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Seconds against the number of grants, for all tools" font-family="sans-serif" font-size="12">'
    )
    backdrop = f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{BACKGROUND}"/>'
    return "\n".join([head, backdrop, *_legend(results), *drawn, "</svg>\n"])


def _lines(results: Results, work: Work) -> list[Line]:
    """Return the lines of a panel, for tenants without latency and rate limits."""
    lines = []
    for tool in COLOURS:
        runs = [run for run in results.runs if run.tool == tool and run.case == Case(work, run.case.size)]
        points = sorted((run.case.size, run.took.wall) for run in runs if run.took)
        lines.append(Line(tool, points))
    return lines


def _decades(values: Sequence[float]) -> tuple[float, float]:
    """Return the powers of ten below and above all values. The two powers differ by at least one decade."""
    low = floor(log10(min(values, default=1.0)))
    return 10.0**low, 10.0 ** max(ceil(log10(max(values, default=1.0))), low + 1)


def _panel(work: Work, lines: Sequence[Line], x: Scale, y: Scale) -> Iterator[str]:
    yield _text(x.start, TOP - 14, str(work), INK, "start")
    yield _text((x.start + x.end) / 2, HEIGHT - 14, "grants in the tenant", FAINT, "middle")
    for size in x.decades:
        yield _rule(x(size), TOP, x(size), BOTTOM)
        yield _text(x(size), BOTTOM + 18, f"{size:,.0f}", FAINT, "middle")
    for second in y.decades:
        yield _rule(x.start, y(second), x.end, y(second))
        yield _text(x.start - 8, y(second) + 4, f"{second:g} s", FAINT, "end")
    for line in lines:
        yield from _curve(line, x, y)


def _curve(line: Line, x: Scale, y: Scale) -> Iterator[str]:
    colour = COLOURS[line.tool]
    dashes = ' stroke-dasharray="5 4"' if line.tool in DASHED else ""
    points = [(round(x(size), 1), round(y(second), 1)) for size, second in line.points]
    if points:
        joined = " ".join(f"{left},{top}" for left, top in points)
        yield f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
    for left, top in points:
        yield f'<circle cx="{left}" cy="{top}" r="{RADIUS}" fill="{colour}"/>'


def _legend(results: Results) -> Iterator[str]:
    """Yield a row with the name and the colour of each tool."""
    left = float(PANELS[Work.NOTHING][0])
    for tool, colour in COLOURS.items():
        version = results.versions.get(tool, "")
        name = f"{tool} {version}" if version not in {"", "-"} else tool
        yield f'<rect x="{left}" y="17" width="12" height="12" rx="2" fill="{colour}"/>'
        yield _text(left + 18, 28, name, INK, "start")
        left += 18 + 7 * len(name) + 24


def _text(x: float, y: float, text: str, colour: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{GRID}"/>'
