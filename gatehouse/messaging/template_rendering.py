"""Render messages from templates in a Jinja sandbox: subject, text and HTML part.

Operators replace a template by a file of the same name in their template folder.
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
from gatehouse.core import colors
from gatehouse.core.i18n import Language, gettext_noop, load_language
from gatehouse.messaging.links import base_url
from gatehouse.messaging.template_catalog import EXAMPLES, TEMPLATES, TRANSLATABLE
from gatehouse.settings.languages import LANGUAGES

FOLDER = Path(__file__).parent / "templates"
UNKNOWN_LOCATION = gettext_noop("an unknown place")
RENAMED_TEMPLATES = {
    "address_known": "account_exists",
    "lost_factor": "mfa_recovery",
    "sms_lost_factor": "sms_mfa_recovery",
}
"""Template names of versions before 0.2, and their names now: an old one stops the start."""


class BadTemplate(ValueError):
    """An operator's template is unknown or does not render; the message names its file."""


def render(
    template: str, variables: dict[str, object], locale: Language, folder: str = ""
) -> dict[str, str]:
    """Return `subject`, `text` and `html`; the first line of the text template is the subject.

    Templates with the prefix `sms_` have a text only. Templates are looked up in the language's
    subfolder of `folder`, then in `folder`, then in Gatehouse's own folder.
    """
    environment = _environment(locale.tag, folder, config.settings().accent_color)
    values = _common_variables(locale) | {
        name: _localize(name, variables[name], locale) for name in variables
    }
    text = environment.get_template(f"{template}.txt").render(values)
    if template.startswith("sms_"):
        return {"subject": "", "text": text, "html": ""}
    subject, _, text = text.partition("\n")
    html = environment.get_template(f"{template}.html").render(values | {"subject": subject})
    return {"subject": subject, "text": text.lstrip(), "html": html}


def check_templates(folder: str) -> None:
    """Render every template of an operator's folder with example variables.

    Raises:
        BadTemplate: a template is unknown or does not render.
    """
    if not folder:
        return
    for directory in (Path(folder), *(Path(folder, tag) for tag in LANGUAGES)):
        for file in _templates_in(directory):
            tag = directory.name if directory != Path(folder) else LANGUAGES[0]
            _check_template(file, load_language(tag), folder)


def _templates_in(directory: Path) -> Iterator[Path]:
    return (file for file in sorted(directory.glob("*")) if file.suffix in (".txt", ".html"))


def _check_template(file: Path, locale: Language, folder: str) -> None:
    if file.stem in RENAMED_TEMPLATES:
        raise BadTemplate(f"{file} must be renamed to {RENAMED_TEMPLATES[file.stem]}{file.suffix}.")
    if file.stem not in TEMPLATES:
        known = ", ".join(sorted(TEMPLATES))
        raise BadTemplate(f"{file} is not the name of a template; there are {known}.")
    names = (*TEMPLATES[file.stem], "asked", "address", "device")
    try:
        rendered = render(file.stem, {name: EXAMPLES[name] for name in names}, locale, folder)
    except Exception as error:  # an expression in it can raise anything
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        raise BadTemplate(f"{file} does not render ({reason}).") from None
    if not rendered["subject"] and not file.stem.startswith("sms_"):
        raise BadTemplate(f"{file} has no subject in its first line.")


@lru_cache
def _environment(tag: str, folder: str, accent: str) -> ImmutableSandboxedEnvironment:
    """Return the Jinja sandbox of a language, which caches its templates.

    The colours are global, so that the macros of `parts.html` have them without an import of the
    context.
    """
    custom_folders = [Path(folder, tag), Path(folder)] if folder else []
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader([*custom_folders, FOLDER]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.globals |= {"accent": accent, "on_accent": colors.text_on(accent)}
    catalogue = load_language(tag).translations
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]
    return environment


def _common_variables(locale: Language) -> dict[str, str]:
    """Return the variables of all templates that do not depend on the request."""
    url, settings = urlsplit(base_url()), config.settings()
    return {
        **{"site": url.netloc, "host": url.hostname or "", "service": settings.service_name},
        **{"language": locale.tag, "direction": locale.text_direction},
        **{"terms_url": settings.terms_url, "privacy_url": settings.privacy_url},
        "support_url": settings.support_url,
    }


def _localize(name: str, value: Any, locale: Language) -> Any:
    """Format or translate a variable: datetimes, devices, IP addresses, `factor` and `what`."""
    if isinstance(value, datetime):
        return locale.format_datetime(value)
    if name == "device":
        return locale.format_device(value)
    if name == "address":
        return value or locale.gettext(UNKNOWN_LOCATION)
    return locale.gettext(TRANSLATABLE.get(value, value)) if name in ("factor", "what") else value
