"""Where an address is, as the operator's GeoIP file says; without one nobody is anywhere.

The file is MaxMind DB: GeoLite2, DB-IP, IPinfo and the like name the same things differently, and
all are understood. Where it knows countries only, a country's middle stands for its places.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import maxminddb

EARTH = 6371.0  # kilometres
TRIED = ("1.1.1.1", "8.8.8.8", "193.0.0.1", "2001:4860:4860::8888")
"""Any public addresses: a file that is cut short is found at the start, not at a login."""


@dataclass(frozen=True, order=True)
class Spot:
    """A point of the earth, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True)
class Place:
    """A country by its two letters (ISO 3166-1), a spot, and how many kilometres it may be off."""

    country: str
    spot: Spot | None = None
    reach: int = 0


class Atlas:
    """Finds places in a GeoIP file, which is mapped into memory and safe for threads."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            ValueError: it is not there, or is no GeoIP file; with the reason.
        """
        try:
            self._file = maxminddb.open_database(path)
            for address in TRIED:
                self._get(address)
        except OSError as problem:
            raise ValueError(f"cannot be read ({problem.strerror or 'no such file'})") from None
        except (maxminddb.InvalidDatabaseError, UnicodeDecodeError):
            raise ValueError("is no GeoIP file, or a broken one") from None

    def find(self, address: str) -> Place | None:
        """Return where an address is, as far as the file knows."""
        try:
            record = self._get(address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return None  # no address; or a page of the file is damaged: then it knows nothing
        return place(record) if isinstance(record, dict) else None

    def _get(self, address: str) -> Any:
        if ":" in address and self._file.metadata().ip_version == 4:
            return None
        return self._file.get(address)


def place(record: Mapping[str, Any]) -> Place | None:
    """Return the place of a record, whichever publisher wrote it."""
    named = record.get("country") or record.get("registered_country")
    code = named.get("iso_code") if isinstance(named, dict) else named
    code = str(code or record.get("country_code") or "").upper()
    if len(code) != 2:
        return None
    located = record.get("location")
    spot = _spot(located) or _spot(record)
    return Place(code, spot, _reach(located)) if spot else _middles().get(code, Place(code))


def _spot(record: Any) -> Spot | None:
    """Return the coordinates of a record, which some publishers write as text."""
    try:
        latitude, longitude = float(record["latitude"]), float(record["longitude"])
    except (KeyError, TypeError, ValueError):
        return None
    real = abs(latitude) <= 90 and abs(longitude) <= 180
    return Spot(latitude, longitude) if real else None


def _reach(located: Any) -> int:
    """Return how far off a spot may be: some publishers say so, and mean whole countries."""
    radius = located.get("accuracy_radius") if isinstance(located, dict) else None
    return radius if isinstance(radius, int) else 0


def kilometres(one: Spot, other: Spot) -> float:
    """Return the distance along the earth (haversine)."""
    latitude, longitude = math.radians(one.latitude), math.radians(one.longitude)
    there, east = math.radians(other.latitude), math.radians(other.longitude)
    a = math.sin((there - latitude) / 2) ** 2
    b = math.cos(latitude) * math.cos(there) * math.sin((east - longitude) / 2) ** 2
    return 2 * EARTH * math.asin(min(1.0, math.sqrt(a + b)))


@cache
def _middles() -> dict[str, Place]:
    """Read the countries, once and when they are first needed."""
    text = (files("gatehouse.risk") / "data" / "countries.csv").read_text()
    return {row["country"]: _country(row) for row in csv.DictReader(text.splitlines())}


def _country(row: Mapping[str, str]) -> Place:
    spot = Spot(float(row["latitude"]), float(row["longitude"]))
    return Place(row["country"], spot, int(row["reach"]))
