"""Renders messages: each has a subject, a text and an HTML part, from a sandbox.

Operators replace a template by a file of the same name in a folder of theirs.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.sandbox import ImmutableSandboxedEnvironment

import config
from gatehouse.core.i18n import Language, language, marked
from gatehouse.messaging.links import front
from gatehouse.messaging.template_catalog import EXAMPLES, LETTERS, WORDS
from gatehouse.settings.languages import LANGUAGES

FOLDER = Path(__file__).parent / "templates"
NOWHERE = marked("an unknown place")
RENAMED = {
    "address_known": "account_exists",
    "lost_factor": "mfa_recovery",
    "sms_lost_factor": "sms_mfa_recovery",
}
"""Old names of templates, and their names today."""


class BadTemplate(ValueError):
    """A template of the operator's does not render; the message is a sentence that names it."""


def render(
    template: str, variables: dict[str, Any], spoken: Language, folder: str = ""
) -> dict[str, str]:
    """Return `subject`, `text` and `html`; the first line of the text template is the subject.

    A template whose name begins with `sms_` is text alone. Templates in `folder`, and in its
    folder of the language, go before ours.
    """
    environment = _environment(spoken.tag, folder)
    shown = _surroundings(spoken) | {
        name: _word(name, variables[name], spoken) for name in variables
    }
    text = environment.get_template(f"{template}.txt").render(shown)
    if template.startswith("sms_"):
        return {"subject": "", "text": text, "html": ""}
    subject, _, text = text.partition("\n")
    html = environment.get_template(f"{template}.html").render(shown | {"subject": subject})
    return {"subject": subject, "text": text.lstrip(), "html": html}


def check(folder: str) -> None:
    """Try every template of an operator's folder, with examples of all variables.

    Raises:
        BadTemplate: one has the name of no letter, or does not render.
    """
    if not folder:
        return
    for place in (Path(folder), *(Path(folder, tag) for tag in LANGUAGES)):
        for file in _templates_in(place):
            spoken = language(place.name if place != Path(folder) else LANGUAGES[0])
            _try(file, spoken, folder)


def _templates_in(place: Path) -> Iterator[Path]:
    return (file for file in sorted(place.glob("*")) if file.suffix in (".txt", ".html"))


def _try(file: Path, spoken: Language, folder: str) -> None:
    if file.stem in RENAMED:
        raise BadTemplate(f"{file} must be renamed to {RENAMED[file.stem]}{file.suffix}.")
    if file.stem not in LETTERS:
        raise BadTemplate(f"{file} replaces no letter; there are {', '.join(sorted(LETTERS))}.")
    given = (*LETTERS[file.stem], "asked", "address", "device")
    try:
        letter = render(file.stem, {name: EXAMPLES[name] for name in given}, spoken, folder)
    except Exception as problem:  # whatever an expression in it does
        reason = f"{type(problem).__name__}: {problem}".rstrip(".")
        raise BadTemplate(f"{file} does not render ({reason}).") from None
    if not letter["subject"] and not file.stem.startswith("sms_"):
        raise BadTemplate(f"{file} has no subject in its first line.")


@lru_cache
def _environment(tag: str, folder: str) -> ImmutableSandboxedEnvironment:
    """Return the sandbox of a language; what it has read it keeps."""
    theirs = [Path(folder, tag), Path(folder)] if folder else []
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader([*theirs, FOLDER]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    words = language(tag).words
    environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    return environment


def _surroundings(spoken: Language) -> dict[str, str]:
    """Return what a letter knows without being told."""
    where = urlsplit(front())
    about = {"site": where.netloc, "host": where.hostname or "", "language": spoken.tag}
    return about | {"direction": spoken.direction, "service": config.settings().service_name}


def _word(name: str, value: Any, spoken: Language) -> Any:
    """Return how a variable is written in a language: moments, devices and known words."""
    if isinstance(value, datetime):
        return spoken.moment(value)
    if name == "device":
        return spoken.device(value)
    if name == "address":
        return value or spoken.say(NOWHERE)
    return spoken.say(WORDS.get(value, value)) if name in ("factor", "what") else value
