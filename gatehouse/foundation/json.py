"""Strict JSON (RFC 8259): no duplicate keys, no NaN, no deep nesting."""

import json
from typing import Any

from flask.json.provider import DefaultJSONProvider

DEPTH = 32


class StrictJSON(DefaultJSONProvider):
    """Flask's JSON, refusing with ValueError what other parsers would read differently."""

    sort_keys = False

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """Parse UTF-8 JSON; object members must be unique (RFC 8259 section 4)."""
        try:
            value = json.loads(s, object_pairs_hook=_unique, parse_constant=_finite, **kwargs)
        except RecursionError:
            raise ValueError("nested too deep") from None
        _check_depth(value, DEPTH)
        return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return members


def _finite(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise ValueError("nested too deep")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        _check_depth(item, left - 1)
