"""Plugin loading: each module of a plugin package defines one `plugin`, named after its file."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any


def load(package: str, names: Iterable[str]) -> dict[str, Any]:
    """Import the named modules of a package; return each one's `plugin` by name, in this order.

    Raises:
        LookupError: the package has no plugin of that name.
    """
    return {
        name: import_module(f"{package}.{_require_known(package, name)}").plugin for name in names
    }


def list_names(package: str) -> list[str]:
    """Return the sorted names of all plugins in a package."""
    return sorted(m.name for m in iter_modules(import_module(package).__path__))


def _require_known(package: str, name: str) -> str:
    available = list_names(package)
    if name not in available:
        folder = package.removeprefix("gatehouse.").replace(".", "/")
        raise LookupError(f"{folder} has no {name!r}; it has {', '.join(available)}")
    return name
