"""Strict JSON (RFC 8259): no duplicate keys, no NaN, no deep nesting."""

import json
import math
from typing import Any

from flask.json.provider import DefaultJSONProvider

MAX_DEPTH = 32


class StrictJSON(DefaultJSONProvider):
    """Flask's JSON provider; raises ValueError for input that parsers interpret differently."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Parse UTF-8 JSON (RFC 8259 section 8.1); object members must be unique (section 4)."""
        text = s.decode() if isinstance(s, bytes) else s
        kwargs |= {
            "object_pairs_hook": _reject_duplicate_keys,
            "parse_constant": _parse_finite,
            "parse_float": _parse_finite,
        }
        try:
            value = json.loads(text, **kwargs)
        except RecursionError:
            raise ValueError("nested too deep") from None
        _check_depth(value, MAX_DEPTH)
        return value


def _reject_duplicate_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("duplicate key in an object")
    return members


def _parse_finite(number: str) -> float:
    """Reject NaN and Infinity, and 1e999, which would become infinite."""
    if not math.isfinite(value := float(number)):
        raise ValueError("a number is not finite")
    return value


def _check_depth(value: object, remaining: int) -> None:
    if not isinstance(value, dict | list):
        return
    if remaining == 0:
        raise ValueError("nested too deep")
    for item in value.values() if isinstance(value, dict) else value:
        _check_depth(item, remaining - 1)
