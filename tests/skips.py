"""How a test says that this machine lacks a tool it needs."""

from typing import NoReturn

import pytest

MISSING = "missing tool: "


def skip_without(tool: str, remedy: str) -> NoReturn:
    """Skip the running test, which will be told by name at the end of the run."""
    pytest.skip(f"{MISSING}{tool} ({remedy})")
