"""Generate `docs/errors.md` from the error classes and the messages of form fields."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import config
from gatehouse.core import errors
from gatehouse.core.errors import ApiError
from gatehouse.passwords.error_messages import ERROR_MESSAGES
from gatehouse.web import fields

OPENING = """# Errors

Generated from the error classes by `gatehouse docs build`; a running service shows the same list at
`/errors`.

Every error is `application/problem+json` (RFC 9457). `code` is stable: use it to decide what
to do. `type` links here, `detail` is the sentence below or a more precise one, `next` says what the
client can do now, and `request_id` identifies the request in the logs and audit events.
"""

FIELDS = """
## Codes of fields

`validation_failed` has `errors`: `{field: [{code, message}]}`. Nested fields are joined by dots;
`body` is the request body as a whole. `{...}` stands for a value.

| Code | Message |
|---|---|
"""

FIELD_ERROR_CLASS = "CodedMessage"
"""Called with a code and a message about a field; the messages are found by this name."""
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def render_page() -> str:
    """Return the page in Markdown."""
    sections = "".join(_section(error_class) for error_class in errors.all_errors())
    codes = sorted(field_codes().items())
    rows = (f"| `{code}` | {' · '.join(messages)} |\n" for code, messages in codes)
    return OPENING + sections + FIELDS + "".join(rows)


@cache
def field_codes() -> dict[str, list[str]]:
    """Return every code of a field error with its messages, as written in the source."""
    codes: dict[str, list[str]] = defaultdict(list)
    defaults = ((sentence.code, str(sentence)) for sentence in fields.LIBRARY_MESSAGES.values())
    for code, message in (*_field_messages(), *defaults):
        if message not in codes[code]:
            codes[code].append(message)
    return codes


def _section(error_class: type[ApiError]) -> str:
    sentences = f"{errors.default_detail(error_class)} {error_class.next or ''}".rstrip()
    return f"\n## {error_class.code}\n\n**{error_class.status}.** {sentences}\n"


def _field_messages() -> Iterator[tuple[str, str]]:
    for file in sorted((config.ROOT / "gatehouse").rglob("*.py")):
        yield from _messages_in(file)
    for code, sentence in ERROR_MESSAGES.items():
        yield code, PLACEHOLDER.sub("{...}", sentence)


def _messages_in(file: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == FIELD_ERROR_CLASS:
            code, message = node.args
            if isinstance(code, ast.Constant):
                yield str(code.value), _message(message)


def _message(node: ast.expr) -> str:
    """Return a message with `{...}` in place of values."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr):
        return "(a sentence that gives the reason)"
    return "".join(str(v.value) if isinstance(v, ast.Constant) else "{...}" for v in node.values)
