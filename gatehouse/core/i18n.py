"""What people read: which language, and the words, moments and devices in it.

Catalogues are gettext's `.po` files; they are read at their first use, so nobody has to compile
them.
"""

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
from gatehouse.settings.languages import CATALOGUES, LANGUAGES, SOURCE

MOST = 20  # languages of a header that are looked at
KNOWN = {tag.lower(): tag for tag in LANGUAGES}


def marked(text: str) -> str:
    """Return a text as it is; the catalogues have it, and it is translated where it is shown."""
    return text


UNKNOWN_DEVICE = marked("an unknown device")
ON_A_SYSTEM = marked("%(program)s on %(system)s")


@dataclass(frozen=True)
class Language:
    """A language with its catalogue; `tag` is a language tag (RFC 5646), such as `de`."""

    tag: str
    words: NullTranslations

    @property
    def direction(self) -> str:
        """Return where its lines begin, as HTML's `dir`: `ltr` or `rtl`."""
        return str(self._locale.text_direction)

    def say(self, text: str) -> str:
        """Return a text in this language; one that the catalogue lacks, in English."""
        return self.words.gettext(text)

    def moment(self, when: datetime) -> str:
        """Return a moment to the minute, in UTC, such as `23 novembre 2026, 21:57 UTC`."""
        utc = when.astimezone(UTC)
        pattern = str(self._locale.datetime_formats["medium"])
        return pattern.format(f"{utc:%H:%M} UTC", format_date(utc, "long", self._locale))

    def device(self, name: str) -> str:
        """Return what `device_name` says, in this language."""
        program, _, system = name.rpartition(" on ")
        if not program:
            return self.say(name)
        return self.say(ON_A_SYSTEM) % {"program": program, "system": system}

    @property
    def _locale(self) -> Locale:
        return Locale.parse(self.tag, sep="-")


@lru_cache
def language(tag: str) -> Language:
    """Return one of the languages; its catalogue is read once."""
    if tag == SOURCE:
        return Language(tag, NullTranslations())
    with (CATALOGUES / f"{tag}.po").open("rb") as file:
        catalogue = read_po(file, locale=tag)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Language(tag, GNUTranslations(compiled))


def choose(locale: str | None, accepted: str = "") -> Language:
    """Return the language for a person: their own, else one they accept, else the default.

    `accepted` is an `Accept-Language` (RFC 9110 section 12.5.4); of each range, the language that
    it names or begins with is looked up (RFC 4647 section 3.4).
    """
    wanted = [*([locale] if locale else []), *_accepted(accepted)]
    found = (tag for one in wanted if (tag := _looked_up(one.lower())))
    return language(next(found, config.settings().default_locale))


def _looked_up(wanted: str) -> str:
    """Return the language that a range names when it is shortened from its end, or nothing."""
    while wanted:
        if wanted in KNOWN:
            return KNOWN[wanted]
        wanted = wanted.rpartition("-")[0]
    return ""


def _accepted(header: str) -> list[str]:
    ranges = parse_accept_header(header, LanguageAccept)
    return [tag for tag, quality in ranges if quality > 0 and tag != "*"][:MOST]
