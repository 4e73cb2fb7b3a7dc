"""`docs/errors.md`, from the refusals' classes and from what the fields and the policy say."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import config
from gatehouse.core import errors
from gatehouse.core.errors import Refusal
from gatehouse.passwords.error_messages import SENTENCES
from gatehouse.web import fields

OPENING = """# Errors

Generated from the classes of refusals by `flask docs build`; a running service shows the same list
at `/errors`.

Every error is `application/problem+json` (RFC 9457). `code` is stable: decide by it. `type` links
here, `detail` is the sentence below or a more precise one, `next` says what the client can do now,
and `request_id` finds the request in the logs and in the audit.
"""

FIELDS = """
## Codes of fields

`validation_failed` carries `errors`: `{field: [{code, message}]}`, nested fields with dots, and
`body` for what concerns the whole. `{...}` stands for a value.

| Code | Message |
|---|---|
"""

SPEAKER = "Coded"
"""What is called with a code and a message about a field."""
NUMBER = re.compile(r"%\(\w+\)s")


def page() -> str:
    """Return the page."""
    sections = "".join(_section(kind) for kind in errors.catalogue())
    rows = (f"| `{code}` | {' · '.join(said)} |\n" for code, said in sorted(field_codes().items()))
    return OPENING + sections + FIELDS + "".join(rows)


@cache
def field_codes() -> dict[str, list[str]]:
    """Return the codes that stand in `errors`, each with its messages as the sources write them."""
    codes: dict[str, list[str]] = defaultdict(list)
    for code, message in (*_spoken(), *((code, said) for said, code in fields.CODES.items())):
        if message not in codes[code]:
            codes[code].append(message)
    return codes


def _section(kind: type[Refusal]) -> str:
    following = f" {kind.next}" if kind.next else ""
    return f"\n## {kind.code}\n\n**{kind.status}.** {errors.explanation(kind)}{following}\n"


def _spoken() -> Iterator[tuple[str, str]]:
    for file in sorted((config.ROOT / "gatehouse").rglob("*.py")):
        yield from _said_in(file)
    for code, sentence in SENTENCES.items():
        yield code, NUMBER.sub("{...}", sentence)


def _said_in(file: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == SPEAKER:
            code, message = node.args
            if isinstance(code, ast.Constant):
                yield str(code.value), _message(message)


def _message(node: ast.expr) -> str:
    """Return a message with `{...}` where a value is put in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr):
        return "(a sentence that says why)"
    return "".join(str(p.value) if isinstance(p, ast.Constant) else "{...}" for p in node.values)
