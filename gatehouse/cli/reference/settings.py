"""`docs/settings.md`, from `config.Settings`: each field, its reader, and the sentence below it."""

import ast
from collections.abc import Iterator
from dataclasses import Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import config
from gatehouse.settings.keyrings import MAKE_ONE, key_ring
from gatehouse.settings.loader import name_of

OPENING = f"""# Settings

Generated from `config.py` by `flask docs build`.

Settings are environment variables, read once, at the start. What is wrong with them is told
together, one sentence each, and stops the start; so does a `GATEHOUSE_` name that is not below.

- **Files.** Every name can end in `_FILE`: `GATEHOUSE_SECRET_KEYS_FILE=/run/secrets/keys` reads the
  value from that file. Giving both is a mistake.
- **Production** needs `GATEHOUSE_PUBLIC_URL` and the three key rings `GATEHOUSE_SECRET_KEYS`,
  `GATEHOUSE_ENCRYPTION_KEYS` and `GATEHOUSE_PASSWORD_PEPPERS`, each with keys of its own.
- **Development** (`GATEHOUSE_ENV=development`, as `make run` sets it) needs nothing: it makes its
  own keys in the instance folder, once, readable by their owner only.
- **A key ring** is a list whose first key makes new values; the others only read old ones. This
  prints one key:

      {MAKE_ONE.partition(": ")[2]}

| Name | Value | Default | What it is for |
|---|---|---|---|
"""


def page() -> str:
    """Return the page."""
    sentences = dict(explanations())
    rows = (_row(option, sentences.get(option.name, "")) for option in fields(config.Settings))
    return OPENING + "".join(rows)


def explanations() -> Iterator[tuple[str, str]]:
    """Yield the name of each field that is followed by a sentence, and the sentence in one line."""
    tree = ast.parse(Path(config.__file__).read_text(encoding="utf-8"))
    described = config.Settings.__name__
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == described)
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            yield field.target.id, " ".join(_text(below).split())


def _text(statement: ast.stmt) -> str:
    """Return what a statement says that is nothing but a string."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _row(option: Field[Any], sentence: str) -> str:
    read, default = option.metadata["read"], option.metadata["default"]
    shown = f"`{default}`" if default else ""
    shown = "none in production" if read is key_ring else shown
    cells = (f"`{name_of(option.name)}`", read.__doc__, shown, sentence)
    return f"| {' | '.join(cells)} |\n"
