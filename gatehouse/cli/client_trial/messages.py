"""What the trial shows: each message of the flow, on its page and in the terminal."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

SECRET_FIELDS = frozenset(
    (
        *("code", "code_verifier", "client_secret", "client_assertion", "refresh_token"),
        *("access_token", "id_token", "id_token_hint"),
    )
)
"""Values that are shortened wherever they are shown."""
SHOWN = 8
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "pre{background:#f4f4f5;padding:1rem;overflow:auto}summary{font-weight:600;cursor:pointer}"
)


@dataclass(frozen=True)
class Message:
    """A message that was sent or received, or a step that checked one."""

    title: str
    lines: tuple[str, ...]

    def to_text(self) -> str:
        """Return the message for a terminal."""
        return "\n".join([f"--- {self.title}", *(f"    {line}" for line in self.lines), ""])

    def to_html(self) -> str:
        """Return the message for the page."""
        body = escape("\n".join(self.lines))
        return f"<details open><summary>{escape(self.title)}</summary><pre>{body}</pre></details>"


def shorten(value: str) -> str:
    """Return the beginning of a secret, and its length."""
    return f"{value[:SHOWN]}... ({len(value)} characters)" if len(value) > SHOWN else "..."


def field_lines(fields: Mapping[str, object]) -> tuple[str, ...]:
    """Return one line for each field, secrets shortened."""
    return tuple(f"{name} = {_shown(name, value)}" for name, value in fields.items())


def json_lines(body: Mapping[str, object]) -> tuple[str, ...]:
    """Return JSON in lines, secrets shortened."""
    safe = {name: _shown(name, value) for name, value in body.items()}
    return tuple(json.dumps(safe, indent=2, ensure_ascii=False).splitlines())


def _shown(name: str, value: object) -> object:
    return shorten(value) if name in SECRET_FIELDS and isinstance(value, str) else value


def to_page(title: str, messages: list[Message], links: Mapping[str, str]) -> str:
    """Return the page with all messages, and links to what can be done next."""
    items = " &middot; ".join(
        f'<a href="{escape(target)}">{escape(text)}</a>' for text, target in links.items()
    )
    shown = "\n".join(message.to_html() for message in messages)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{escape(title)}</h1><p>{items}</p>{shown}</html>"
    )
