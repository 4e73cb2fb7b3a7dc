"""How commands print values: as JSON, or as lines."""

import json
from typing import Any
from uuid import UUID

from gatehouse.core import clock


def to_json(value: object) -> str:
    """Return a value as JSON, with times in RFC 3339."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=_to_text)


def to_lines(values: dict[str, object]) -> list[str]:
    """Return a line for each value that there is."""
    shown = {name: value for name, value in values.items() if value not in (None, [])}
    texts = {name: ", ".join(v) if isinstance(v, list) else v for name, v in shown.items()}
    return [f"{name.replace('_', ' ') + ':':<16} {value}" for name, value in texts.items()]


def _to_text(value: Any) -> str:
    return str(value) if isinstance(value, UUID) else clock.format_rfc3339(value)
