"""Loads the pieces that stand on a shelf: one file is one piece, and its name is the file's."""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any


def load(package: str, names: Iterable[str]) -> dict[str, Any]:
    """Import the named pieces of a shelf and return their `piece` by name, in the order given.

    Raises:
        LookupError: a name that is not on the shelf.
    """
    return {name: import_module(f"{package}.{_known(package, name)}").piece for name in names}


def names(package: str) -> list[str]:
    """Return the names of all pieces on a shelf, sorted."""
    return sorted(m.name for m in iter_modules(import_module(package).__path__))


def _known(package: str, name: str) -> str:
    available = names(package)
    if name not in available:
        shelf = package.removeprefix("gatehouse.").replace(".", "/")
        raise LookupError(f"{shelf} has no {name!r}; it has {', '.join(available)}")
    return name
