"""Plot of the results, as SVG."""

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
HIGHER_IS_BETTER = "1 is the speed of the reference; more is better, the line is the bar"
LOWER_IS_BETTER = "less is better, the line is the maximum"
THRESHOLD_POSITION = 0.5
"""Position of the threshold line of every finding on the scale."""


@dataclass(frozen=True)
class PlotBar:
    """One bar of the plot; length and threshold are fractions of the scale."""

    name: str
    length: float
    threshold: float
    text: str
    passed: bool


def draw(results: Sequence[Result], findings: Sequence[Finding]) -> str:
    """Return an SVG with the ratios and their minimum, and the costs and their maximum."""
    ratios = [_ratio_bar(result) for result in results]
    costs = [_cost_bar(finding, finding.maximum) for finding in findings if finding.maximum]
    rows, bottom = [], 12
    for lines, legend in ((ratios, HIGHER_IS_BETTER), (costs, LOWER_IS_BETTER)):
        rows += [_render_bar(line, bottom + ROW * number) for number, line in enumerate(lines)]
        bottom += ROW * len(lines) + 16
        rows += [LEGEND.format(left=LEFT, base=bottom, text=legend)] if lines else []
        bottom += 28 if lines else 0
    label = "; ".join(f"{line.name}: {line.text}" for line in ratios + costs)
    return PAGE.format(width=WIDTH, height=bottom, label=escape(label), rows="\n".join(rows))


def _ratio_bar(result: Result) -> PlotBar:
    name, met = f"{result.name} / {result.reference}", result.ratio >= result.bar
    return PlotBar(name, result.ratio, result.bar, f"{result.ratio:.2f}", met)


def _cost_bar(finding: Finding, maximum: float) -> PlotBar:
    """Return a bar for a value relative to its maximum; longer bars are cut off."""
    length = min(1.0, THRESHOLD_POSITION * finding.value / maximum)
    text = f"{finding.value:.2f} {finding.unit}".strip() + f", {finding.threshold}"
    return PlotBar(finding.subject, length, THRESHOLD_POSITION, text, finding.passed)


def _render_bar(line: PlotBar, top: int) -> str:
    length, mark = max(0.0, line.length) * SCALE, line.threshold * SCALE
    return BAR.format(
        name=escape(line.name),
        end=LEFT - 10,
        left=LEFT,
        top=top,
        base=top + 16,
        length=length,
        colour="#2f855a" if line.passed else "#c05621",
        mark=LEFT + mark,
        mark_top=top - 5,
        after=LEFT + max(length, mark) + 10,
        text=escape(line.text),
    )
