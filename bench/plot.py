"""The plot of a run, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from bench.comparisons import Result
from bench.finding import Finding

WIDTH, ROW, LEFT, SCALE = 960, 40, 370, 400
"""Pixels; SCALE is the length of a bar whose ratio is 1."""
PAGE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
  font-family="system-ui, sans-serif" font-size="14" aria-label="{label}">
<rect width="{width}" height="{height}" fill="#ffffff"/>
{rows}
</svg>
"""
BAR = """<text x="{end}" y="{base}" text-anchor="end" fill="#1f2933">{name}</text>
<rect x="{left}" y="{top}" width="{length:.0f}" height="22" rx="2" fill="{colour}"/>
<path d="M{mark:.0f} {mark_top}v32" stroke="#1f2933" stroke-width="2"/>
<text x="{after:.0f}" y="{base}" fill="#1f2933">{text}</text>"""
LEGEND = '<text x="{left}" y="{base}" fill="#52606d">{text}</text>'
FASTER = "1 is the speed of what the service is made of; more is better, the line is the bar"
LESS = "less is better, the line is the most that there may be"
LIMIT = 0.5
"""Where on the scale the line of a finding is drawn, whatever its unit."""


@dataclass(frozen=True)
class Line:
    """One bar of the plot: its length and its line are parts of the scale."""

    name: str
    length: float
    mark: float
    text: str
    met: bool


def draw(results: Sequence[Result], findings: Sequence[Finding]) -> str:
    """Return an SVG: each ratio and what it shall reach, each cost and what it shall not."""
    ratios = [_ratio(result) for result in results]
    costs = [_part(finding, finding.most) for finding in findings if finding.most]
    rows, bottom = [], 12
    for lines, legend in ((ratios, FASTER), (costs, LESS)):
        rows += [_bar(line, bottom + ROW * number) for number, line in enumerate(lines)]
        bottom += ROW * len(lines) + 16
        rows += [LEGEND.format(left=LEFT, base=bottom, text=legend)] if lines else []
        bottom += 28 if lines else 0
    label = "; ".join(f"{line.name}: {line.text}" for line in ratios + costs)
    return PAGE.format(width=WIDTH, height=bottom, label=escape(label), rows="\n".join(rows))


def _ratio(result: Result) -> Line:
    name, met = f"{result.name} / {result.reference}", result.ratio >= result.bar
    return Line(name, result.ratio, result.bar, f"{result.ratio:.2f}", met)


def _part(finding: Finding, most: float) -> Line:
    """Return what a finding uses of what it may; what is far beyond is cut off."""
    length = min(1.0, LIMIT * finding.value / most)
    text = f"{finding.value:.2f} {finding.unit}".strip() + f", {finding.bar}"
    return Line(finding.subject, length, LIMIT, text, finding.met)


def _bar(line: Line, top: int) -> str:
    length, mark = max(0.0, line.length) * SCALE, line.mark * SCALE
    return BAR.format(
        name=escape(line.name),
        end=LEFT - 10,
        left=LEFT,
        top=top,
        base=top + 16,
        length=length,
        colour="#2f855a" if line.met else "#c05621",
        mark=LEFT + mark,
        mark_top=top - 5,
        after=LEFT + max(length, mark) + 10,
        text=escape(line.text),
    )
