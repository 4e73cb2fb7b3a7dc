"""A profile schema with an attribute of every kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from gatehouse.database.session import db
from gatehouse.users import profile_schema_store
from gatehouse.web.request_context import NO_REQUEST

BOTH = ["user", "administrator"]
PROPERTIES: dict[str, Any] = {
    "nickname": {"type": "string", "maxLength": 20, "x-gatehouse": {"read": BOTH, "write": BOTH}},
    "department": {
        "enum": ["sales", "support"],
        "x-gatehouse": {"read": BOTH, "claim": "department"},
    },
    "notes": {"type": "string"},
    "address": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "zip": {"$ref": "#/$defs/zip"}},
        "required": ["city"],
        "additionalProperties": False,
        "x-gatehouse": {"read": BOTH, "write": ["user"]},
    },
    "birthday": {"type": "string", "format": "date", "x-gatehouse": {"write": BOTH}},
    "levels": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1},
        "maxItems": 3,
        "uniqueItems": True,
        "x-gatehouse": {"read": BOTH, "write": BOTH, "claim": "https://example.com/levels"},
    },
}
DEFINITIONS = {"zip": {"type": "string", "pattern": "^[0-9]{5}$"}}


def schema_of(**properties: Any) -> dict[str, Any]:
    """Return a profile schema of these attributes."""
    return {"type": "object", "properties": properties, "$defs": DEFINITIONS}


@pytest.fixture
def declare(app: Flask) -> Callable[..., None]:
    """Declare attributes: declare(nickname={...}); without any, those of PROPERTIES."""

    def declare(**properties: Any) -> None:
        with app.app_context():
            schema = schema_of(**(properties or PROPERTIES))
            profile_schema_store.replace_schema(schema, NO_REQUEST)
            db.session.commit()

    return declare
