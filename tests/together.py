"""Different things at the same instant."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all of these at the same instant; return what each returned, in their order."""
    start = threading.Barrier(len(acts))

    def join(act: Callable[[], Any]) -> Any:
        start.wait(timeout=10)
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(join, acts))
