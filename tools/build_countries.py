"""Build gatehouse/risk/data/countries.csv: the middle of each country, and how far it reaches.

Needs `countries-10m.json` of the npm package world-atlas 2.0.2, which is Natural Earth's map
(public domain) as TopoJSON; from the root:

    PYTHONPATH=. .venv/bin/python tools/build_countries.py path/to/countries-10m.json

A country is its largest piece of land: overseas territories would move the middle into the sea.
"""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.core import get_global

from gatehouse.risk.geoip import Spot, kilometres

TARGET = Path(__file__).parents[1] / "gatehouse" / "defence" / "data" / "countries.csv"
Vector = tuple[float, float, float]


def codes() -> dict[str, str]:
    """Return the two letters of each country by its three digits (ISO 3166-1)."""
    aliases: dict[str, list[str]] = get_global("territory_aliases")
    return {digits: names[0] for digits, names in aliases.items() if digits.isdigit()}


def arcs(topology: dict[str, Any]) -> list[list[Spot]]:
    """Return the lines of the map in degrees (TopoJSON section 2.1.3: quantised, each a step)."""
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    lines = []
    for arc in topology["arcs"]:
        x = y = 0
        line = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            line.append(Spot(y * sy + ty, x * sx + tx))
        lines.append(line)
    return lines


def ring(indices: list[int], lines: list[list[Spot]]) -> list[Spot]:
    """Return the border of a piece of land; a complement means the line backwards."""
    return [spot for i in indices for spot in (lines[i] if i >= 0 else lines[~i][::-1])]


def pieces(geometry: dict[str, Any], lines: list[list[Spot]]) -> Iterator[list[Spot]]:
    """Yield the outer borders of a country's pieces of land."""
    many = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry.get("arcs", [])]
    yield from (ring(polygon[0], lines) for polygon in many if polygon)


def vector(spot: Spot) -> Vector:
    """Return a spot as a point of the unit sphere."""
    latitude, longitude = math.radians(spot.latitude), math.radians(spot.longitude)
    flat = math.cos(latitude)
    return flat * math.cos(longitude), flat * math.sin(longitude), math.sin(latitude)


def cross(a: Vector, b: Vector) -> Vector:
    """Return the cross product."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def centre(border: list[Spot]) -> tuple[float, Spot]:
    """Return the area of a piece of land, as a measure only, and its middle.

    The sum of a border's cross products points to its middle, and is as long as it encloses.
    """
    corners = [vector(spot) for spot in border]
    products = [cross(a, b) for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)]
    x, y, z = (sum(p[axis] for p in products) for axis in range(3))
    size = math.hypot(x, y, z)
    if size == 0:  # a rock without an extent
        return 0.0, border[0]
    outwards = -1 if sum(c[0] * x + c[1] * y + c[2] * z for c in corners) < 0 else 1
    x, y, z = outwards * x, outwards * y, outwards * z
    return size, Spot(math.degrees(math.asin(z / size)), math.degrees(math.atan2(y, x)))


def rows(topology: dict[str, Any]) -> list[str]:
    """Return a line for each country: its code, the middle, and the kilometres to its far end."""
    found = sorted(countries(topology))
    largest = {code: (reach, middle) for code, reach, middle in found}
    return [
        f"{code},{middle.latitude:.1f},{middle.longitude:.1f},{reach}"
        for code, (reach, middle) in largest.items()
    ]


def countries(topology: dict[str, Any]) -> Iterator[tuple[str, int, Spot]]:
    """Yield each country's code, reach and middle; some stand on the map in several rows."""
    lines, known = arcs(topology), codes()
    for geometry in topology["objects"]["countries"]["geometries"]:
        code = known.get(geometry.get("id", ""))
        found = [(*centre(border), border) for border in pieces(geometry, lines)]
        if code and found:
            _, middle, border = max(found, key=lambda one: one[0])
            reach = max(kilometres(middle, spot) for spot in border)
            yield code, math.ceil(reach), middle


if __name__ == "__main__":
    topology = json.loads(Path(sys.argv[1]).read_text())
    written = ["country,latitude,longitude,reach", *rows(topology)]
    TARGET.write_text("\n".join(written) + "\n")
