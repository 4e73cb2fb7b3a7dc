"""How a setting is declared: a field of a dataclass, with its parser and its default."""

from collections.abc import Callable
from dataclasses import field
from typing import Any


def setting(read: Callable[[str], Any], default: str = "") -> Any:
    """Declare a setting: the function that parses its text, and the text that it has by default."""
    return field(metadata={"read": read, "default": default}, repr=False)
