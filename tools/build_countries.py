"""Build gatehouse/risk/data/countries.csv: centroid of each country, and its radius in km.

Needs `countries-10m.json` of the npm package world-atlas 2.0.2, which is Natural Earth's map
(public domain) as TopoJSON; from the root:

    PYTHONPATH=. .venv/bin/python tools/build_countries.py path/to/countries-10m.json

Only the largest polygon of a country counts: overseas territories would move the centroid.
"""

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.core import get_global

from gatehouse.risk.geoip import Coordinates, distance_km

TARGET = Path(__file__).parents[1] / "gatehouse" / "risk" / "data" / "countries.csv"
Vector = tuple[float, float, float]


def country_codes() -> dict[str, str]:
    """Return the alpha-2 code of each country by its numeric code (ISO 3166-1)."""
    aliases: dict[str, list[str]] = get_global("territory_aliases")
    return {digits: names[0] for digits, names in aliases.items() if digits.isdigit()}


def decode_arcs(topology: dict[str, Any]) -> list[list[Coordinates]]:
    """Return the arcs in degrees (TopoJSON section 2.1.3: quantized and delta-encoded)."""
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    lines = []
    for arc in topology["arcs"]:
        x = y = 0
        line = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            line.append(Coordinates(y * sy + ty, x * sx + tx))
        lines.append(line)
    return lines


def border(indices: list[int], lines: list[list[Coordinates]]) -> list[Coordinates]:
    """Return the border of a polygon; a complement (~i) is arc i reversed (TopoJSON 2.1.4)."""
    return [point for i in indices for point in (lines[i] if i >= 0 else lines[~i][::-1])]


def borders(
    geometry: dict[str, Any], lines: list[list[Coordinates]]
) -> Iterator[list[Coordinates]]:
    """Yield the outer border of each polygon of a country."""
    many = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry.get("arcs", [])]
    yield from (border(polygon[0], lines) for polygon in many if polygon)


def unit_vector(point: Coordinates) -> Vector:
    """Convert coordinates to a vector on the unit sphere."""
    latitude, longitude = math.radians(point.latitude), math.radians(point.longitude)
    flat = math.cos(latitude)
    return flat * math.cos(longitude), flat * math.sin(longitude), math.sin(latitude)


def cross_product(a: Vector, b: Vector) -> Vector:
    """Return the cross product of two vectors."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def area_and_centroid(border: list[Coordinates]) -> tuple[float, Coordinates]:
    """Return a measure of the area of a polygon, and its centroid.

    The sum of the cross products along the border points to the centroid; its length measures the
    area.
    """
    corners = [unit_vector(point) for point in border]
    products = [
        cross_product(a, b) for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)
    ]
    x, y, z = (sum(p[axis] for p in products) for axis in range(3))
    size = math.hypot(x, y, z)
    if size == 0:  # a polygon without area
        return 0.0, border[0]
    outwards = -1 if sum(c[0] * x + c[1] * y + c[2] * z for c in corners) < 0 else 1
    x, y, z = outwards * x, outwards * y, outwards * z
    return size, Coordinates(math.degrees(math.asin(z / size)), math.degrees(math.atan2(y, x)))


def csv_rows(topology: dict[str, Any]) -> list[str]:
    """Return a line per country: code, centroid, and kilometres to the farthest border point."""
    found = sorted(iter_countries(topology))
    largest = {code: (radius, centroid) for code, radius, centroid in found}
    return [
        f"{code},{centroid.latitude:.1f},{centroid.longitude:.1f},{radius}"
        for code, (radius, centroid) in largest.items()
    ]


def iter_countries(topology: dict[str, Any]) -> Iterator[tuple[str, int, Coordinates]]:
    """Yield code, radius and centroid of each country; some countries occur more than once."""
    lines, known = decode_arcs(topology), country_codes()
    for geometry in topology["objects"]["countries"]["geometries"]:
        code = known.get(geometry.get("id", ""))
        found = [(*area_and_centroid(border), border) for border in borders(geometry, lines)]
        if code and found:
            _, centroid, border = max(found, key=lambda one: one[0])
            radius = max(distance_km(centroid, point) for point in border)
            yield code, math.ceil(radius), centroid


if __name__ == "__main__":
    topology = json.loads(Path(sys.argv[1]).read_text())
    written = ["country,latitude,longitude,reach", *csv_rows(topology)]
    TARGET.write_text("\n".join(written) + "\n")
