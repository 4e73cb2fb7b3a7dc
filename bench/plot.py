"""The plot of a run, as SVG."""

from collections.abc import Sequence
from html import escape

from bench.comparisons import Result

WIDTH, ROW, LEFT, SCALE = 780, 40, 270, 400
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
<text x="{after:.0f}" y="{base}" fill="#1f2933">{ratio:.2f}</text>"""
LEGEND = '<text x="{left}" y="{base}" fill="#52606d">{text}</text>'
TEXT = "1 is the speed of what the service is made of; the line is the bar"


def draw(results: Sequence[Result]) -> str:
    """Return an SVG with a bar for each ratio, and a line that it shall reach."""
    rows = [_bar(result, ROW * number + 12) for number, result in enumerate(results)]
    bottom = ROW * len(results) + 28
    rows.append(LEGEND.format(left=LEFT, base=bottom, text=TEXT))
    label = "; ".join(f"{result.name}: {result.ratio:.2f}" for result in results)
    return PAGE.format(width=WIDTH, height=bottom + 16, label=escape(label), rows="\n".join(rows))


def _bar(result: Result, top: int) -> str:
    length, mark = result.ratio * SCALE, LEFT + result.bar * SCALE
    return BAR.format(
        name=escape(f"{result.name} / {result.reference}"),
        end=LEFT - 10,
        left=LEFT,
        top=top,
        base=top + 16,
        length=length,
        colour="#2f855a" if result.ratio >= result.bar else "#c05621",
        mark=mark,
        mark_top=top - 5,
        after=LEFT + max(length, result.bar * SCALE) + 10,
        ratio=result.ratio,
    )
