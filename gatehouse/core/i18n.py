"""Internationalization: choose a language; translate texts, times and device names.

Catalogues are gettext `.po` files; they are compiled at their first use, not in the build.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

import config
from gatehouse.settings.languages import LANGUAGES, SOURCE_LANGUAGE, TRANSLATIONS_FOLDER

MAX_ACCEPTED_LANGUAGES = 20  # of an Accept-Language header; the rest is ignored
SUPPORTED_TAGS = {tag.lower(): tag for tag in LANGUAGES}


def gettext_noop(text: str) -> str:
    """Mark a text for extraction and return it unchanged; it is translated where it is shown."""
    return text


UNKNOWN_DEVICE = gettext_noop("an unknown device")
PROGRAM_ON_SYSTEM = gettext_noop("%(program)s on %(system)s")


@dataclass(frozen=True)
class Language:
    """A language and its catalogue; `tag` is a language tag (RFC 5646), such as `de`."""

    tag: str
    translations: NullTranslations

    @property
    def name(self) -> str:
        """The name of the language in itself, such as `Deutsch`."""
        return str(self._locale.display_name).capitalize()

    @property
    def text_direction(self) -> str:
        """The text direction as HTML's `dir`: `ltr` or `rtl`."""
        return str(self._locale.text_direction)

    def gettext(self, text: str) -> str:
        """Translate a text; without a translation, return it in English."""
        return self.translations.gettext(text)

    def format_datetime(self, moment: datetime) -> str:
        """Format a time to the minute, in UTC, such as `23 novembre 2026, 21:57 UTC`."""
        utc = moment.astimezone(UTC)
        pattern = str(self._locale.datetime_formats["medium"])
        return pattern.format(f"{utc:%H:%M} UTC", format_date(utc, "long", self._locale))

    def format_device(self, name: str) -> str:
        """Translate the result of `user_agent.device_name`."""
        program, _, system = name.rpartition(" on ")
        if not program:
            return self.gettext(name)
        return self.gettext(PROGRAM_ON_SYSTEM) % {"program": program, "system": system}

    @property
    def _locale(self) -> Locale:
        return Locale.parse(self.tag, sep="-")


@lru_cache
def load_language(tag: str) -> Language:
    """Load a language; its catalogue is read once per process."""
    if tag == SOURCE_LANGUAGE:
        return Language(tag, NullTranslations())
    with (TRANSLATIONS_FOLDER / f"{tag}.po").open("rb") as file:
        catalogue = read_po(file, locale=tag)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Language(tag, GNUTranslations(compiled))


def list_languages() -> list[Language]:
    """Return the supported languages."""
    return [load_language(tag) for tag in LANGUAGES]


def choose_language(locale: str | None, accept_language: str = "") -> Language:
    """Return the user's language, else the first supported accepted one, else the default.

    `accept_language` is an `Accept-Language` value (RFC 9110 section 12.5.4); each of its ranges is
    matched by lookup (RFC 4647 section 3.4).
    """
    ranges = [*([locale] if locale else []), *_accepted_tags(accept_language)]
    return load_language(first_supported(ranges) or config.settings().default_locale)


def first_supported(ranges: Iterable[str]) -> str:
    """Return the tag of the first language range that we have a language for, or ""."""
    return next((tag for each in ranges if (tag := _lookup(each.lower()))), "")


def _lookup(language_range: str) -> str:
    """Return the tag that matches a range, shortened from its end as necessary, or ""."""
    while language_range:
        if language_range in SUPPORTED_TAGS:
            return SUPPORTED_TAGS[language_range]
        language_range = language_range.rpartition("-")[0]
    return ""


def _accepted_tags(header: str) -> list[str]:
    ranges = parse_accept_header(header, LanguageAccept)
    return [tag for tag, quality in ranges if quality > 0 and tag != "*"][:MAX_ACCEPTED_LANGUAGES]
