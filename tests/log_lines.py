"""Read the log of the service."""

from __future__ import annotations

import json
from typing import Any

import pytest


def read_log_lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return the log lines since the last call, oldest first."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines() if line[:1] == "{"]
