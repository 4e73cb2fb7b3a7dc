"""Locations of IP addresses from the operator's GeoIP database; without one there are none.

The file has the MaxMind DB format; the differing field names of GeoLite2, DB-IP, IPinfo and others
are supported. If it has countries only, the centroid of the country is used.
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

EARTH_RADIUS_KM = 6371.0
PROBE_IPS = ("1.1.1.1", "8.8.8.8", "193.0.0.1", "2001:4860:4860::8888")
"""Any public IP addresses: looking them up detects a truncated file at startup."""


@dataclass(frozen=True, order=True)
class Coordinates:
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True)
class GeoLocation:
    """An ISO 3166-1 alpha-2 country, coordinates, and their accuracy radius in kilometres."""

    country: str
    coordinates: Coordinates | None = None
    accuracy_radius_km: int = 0


class GeoIpDatabase:
    """A GeoIP database file, mapped into memory and thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            ValueError: it is missing or not a valid GeoIP database; with the reason.
        """
        try:
            self._file = maxminddb.open_database(path)
            for ip_address in PROBE_IPS:
                self._get(ip_address)
        except OSError as problem:
            raise ValueError(f"cannot be read ({problem.strerror or 'no such file'})") from None
        except (maxminddb.InvalidDatabaseError, UnicodeDecodeError):
            raise ValueError("is no GeoIP file, or a broken one") from None

    def locate(self, ip_address: str) -> GeoLocation | None:
        """Return the location of an IP address, if the database has it."""
        try:
            record = self._get(ip_address)
        except (ValueError, maxminddb.InvalidDatabaseError):
            return None  # not an IP address, or a damaged part of the file
        return parse_location(record) if isinstance(record, dict) else None

    def _get(self, ip_address: str) -> object:
        if ":" in ip_address and self._file.metadata().ip_version == 4:
            return None
        return self._file.get(ip_address)


def parse_location(record: Mapping[str, object]) -> GeoLocation | None:
    """Return the location of a record of any supported publisher."""
    named = record.get("country") or record.get("registered_country")
    code = named.get("iso_code") if isinstance(named, dict) else named
    code = str(code or record.get("country_code") or "").upper()
    if len(code) != 2:
        return None
    location = record.get("location")
    coordinates = _parse_coordinates(location) or _parse_coordinates(record)
    return (
        GeoLocation(code, coordinates, _parse_accuracy_radius(location))
        if coordinates
        else _country_centroids().get(code, GeoLocation(code))
    )


def _parse_coordinates(record: Any) -> Coordinates | None:
    """Return the coordinates of a record; some publishers store them as strings."""
    try:
        latitude, longitude = float(record["latitude"]), float(record["longitude"])
    except (KeyError, TypeError, ValueError):
        return None
    real = abs(latitude) <= 90 and abs(longitude) <= 180
    return Coordinates(latitude, longitude) if real else None


def _parse_accuracy_radius(location: object) -> int:
    """Return the accuracy radius; only some publishers have it, and some for whole countries."""
    radius = location.get("accuracy_radius") if isinstance(location, dict) else None
    return radius if isinstance(radius, int) else 0


def distance_km(one: Coordinates, other: Coordinates) -> float:
    """Return the great-circle distance (haversine)."""
    latitude, longitude = math.radians(one.latitude), math.radians(one.longitude)
    latitude_2, longitude_2 = math.radians(other.latitude), math.radians(other.longitude)
    a = math.sin((latitude_2 - latitude) / 2) ** 2
    b = math.cos(latitude) * math.cos(latitude_2) * math.sin((longitude_2 - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(a + b)))


@cache
def _country_centroids() -> dict[str, GeoLocation]:
    """Read the centroids by country code, on first use."""
    text = (files("gatehouse.risk") / "data" / "countries.csv").read_text()
    return {row["country"]: _parse_centroid(row) for row in csv.DictReader(text.splitlines())}


def _parse_centroid(row: Mapping[str, str]) -> GeoLocation:
    centroid = Coordinates(float(row["latitude"]), float(row["longitude"]))
    return GeoLocation(row["country"], centroid, int(row["reach"]))
