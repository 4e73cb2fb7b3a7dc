"""Codes and identifiers as people type and paste them: with spaces, or invisible characters."""

import re
import unicodedata

INVISIBLE = (
    r"\u0020\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2069\u3000\ufeff"
)
"""Spaces, and characters without a picture, in a class of a regular expression.

A number copied from a phone's contacts is between the marks U+202A and U+202C.
"""
SURROUNDING = re.compile(f"^[{INVISIBLE}]+|[{INVISIBLE}]+$")
BETWEEN_CHARACTERS = re.compile(f"[{INVISIBLE}\u2010-\u2015\u2212-]+")


def strip_invisible(text: str) -> str:
    """Remove the spaces and invisible characters around a text."""
    return SURROUNDING.sub("", text)


def normalize_code(text: str) -> str:
    """Remove spaces, invisible characters and dashes from a code; full-width digits become ASCII.

    Phones turn hyphens into dashes, and East Asian keyboards type full-width digits.
    """
    return BETWEEN_CHARACTERS.sub("", unicodedata.normalize("NFKC", text))
