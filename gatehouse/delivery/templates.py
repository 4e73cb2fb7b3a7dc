"""Renders messages: each has a subject, a text and an HTML part, from a sandbox."""

from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

FOLDER = Path(__file__).parent / "texts"
ENVIRONMENT = ImmutableSandboxedEnvironment(
    loader=FileSystemLoader(FOLDER),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, variables: dict[str, Any]) -> dict[str, str]:
    """Return `subject`, `text` and `html`; the first line of the text template is the subject.

    A template whose name begins with `sms_` is text alone.
    """
    if template.startswith("sms_"):
        text = ENVIRONMENT.get_template(f"{template}.txt").render(variables)
        return {"subject": "", "text": text, "html": ""}
    subject, _, text = ENVIRONMENT.get_template(f"{template}.txt").render(variables).partition("\n")
    html = ENVIRONMENT.get_template(f"{template}.html").render(variables)
    return {"subject": subject, "text": text.lstrip(), "html": html}
