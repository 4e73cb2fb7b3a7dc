"""Generate `docs/settings.md` from `config.Settings`: each field, its parser and its docstring."""

import ast
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import Field, fields
from itertools import pairwise
from pathlib import Path

import config
from gatehouse.settings.branding import BrandingSettings
from gatehouse.settings.code_lifetimes import CodeSettings
from gatehouse.settings.gateways import GatewaySettings
from gatehouse.settings.identity_providers import ProviderSettings
from gatehouse.settings.keyrings import HOW_TO_GENERATE_KEY, key_ring
from gatehouse.settings.loader import environment_name
from gatehouse.settings.retention import RetentionSettings
from gatehouse.settings.route_limits import LimitSettings

OPENING = f"""# Settings

Generated from `config.py` by `gatehouse docs build`.

Settings are environment variables, read once, at the start. Every mistake stops the start, and all
are reported together, one sentence each; a `GATEHOUSE_` name that is not below is a mistake too.

- **Files.** Every name can end in `_FILE`: `GATEHOUSE_SECRET_KEYS_FILE=/run/secrets/keys` reads the
  value from that file. Setting both is a mistake.
- **Production** needs `GATEHOUSE_PUBLIC_URL` and the three key rings `GATEHOUSE_SECRET_KEYS`,
  `GATEHOUSE_ENCRYPTION_KEYS` and `GATEHOUSE_PASSWORD_PEPPERS`, each with keys of its own.
- **Development** (`GATEHOUSE_ENV=development`, as set by `make run`) needs no settings: its keys
  are generated once, in `GATEHOUSE_DATA_DIR`, readable by their owner only.
- **A key ring** is a list whose first key is used for new values, the others only for old ones.
  This prints one key:

      {HOW_TO_GENERATE_KEY.partition(": ")[2]}

"""
TABLE = """| Name | Value | Default | Description |
|---|---|---|---|
"""
GROUPS = (
    BrandingSettings,
    ProviderSettings,
    LimitSettings,
    CodeSettings,
    RetentionSettings,
    GatewaySettings,
)
"""Settings with a table of their own, below those of `config.Settings`."""


def render_page() -> str:
    """Return the page in Markdown."""
    grouped = {field.name for group in GROUPS for field in fields(group)}
    general = [field for field in fields(config.Settings) if field.name not in grouped]
    return f"{OPENING}{_table(general)}{''.join(map(_section, GROUPS))}"


def _section(group: type) -> str:
    """Return the title, the explanation and the table of a group of settings."""
    title, _, text = inspect.cleandoc(group.__doc__ or "").partition("\n\n")
    return f"\n## {title.rstrip('.')}\n\n{text}\n\n{_table(fields(group))}"


def _table(settings: Sequence[Field[object]]) -> str:
    descriptions = dict(field_docstrings())
    return TABLE + "".join(_row(field, descriptions.get(field.name, "")) for field in settings)


def field_docstrings() -> Iterator[tuple[str, str]]:
    """Yield the name and the docstring, in one line, of each field that has one."""
    for group in (config.Settings, *GROUPS):
        yield from _field_docstrings(group)


def _field_docstrings(group: type) -> Iterator[tuple[str, str]]:
    tree = ast.parse(Path(inspect.getfile(group)).read_text(encoding="utf-8"))
    name = group.__name__
    body = next(n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            yield field.target.id, " ".join(_docstring(below).split())


def _docstring(statement: ast.stmt) -> str:
    """Return the string of a statement that consists of a string only."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _row(field: Field[object], description: str) -> str:
    parser, default = field.metadata["read"], field.metadata["default"]
    default = f"`{default}`" if default else ""
    default = "none in production" if parser is key_ring else default
    cells = (f"`{environment_name(field.name)}`", parser.__doc__, default, description)
    return f"| {' | '.join(cells)} |\n"
