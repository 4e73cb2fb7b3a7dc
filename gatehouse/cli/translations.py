"""`gatehouse translations`: message catalogues (`.po`) of mails, SMS, pages and error messages."""

from pathlib import Path

import click
from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from flask.cli import AppGroup

import config
from gatehouse.core import clock
from gatehouse.settings.languages import TRANSLATIONS_FOLDER

PACKAGE_DIR = config.ROOT / "gatehouse"
METHODS = [("**.py", "python"), ("**.txt", "jinja2"), ("**.html", "jinja2")]
KEYWORDS = {"_": None, "gettext_noop": None}
FOLDERS = ("account", "core", "messaging", "oauth", "pages", "passwords", "users", "web")

translations = AppGroup(
    "translations", help="Message catalogues of mails, SMS, pages and error messages."
)
folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=TRANSLATIONS_FOLDER,
    help="Folder of the catalogues, gatehouse/translations by default.",
)


@translations.command("update")
@click.argument("language", required=False)
@folder_option
def update_catalogues(language: str | None, folder: Path) -> None:
    """Update every catalogue with the messages in the source; LANGUAGE, such as `it`, adds one.

    New messages get an empty translation; messages that are no longer used are removed.
    """
    messages = extract_messages()
    tags = [language] if language else sorted(file.stem for file in folder.glob("*.po"))
    for tag in tags:
        file = folder / f"{tag}.po"
        missing = _write_catalogue(file, messages, _parse_locale(tag))
        click.echo(f"{file}: {len(messages)} messages, {missing} without a translation.")


def extract_messages() -> Catalog:
    """Return the English messages of templates, pages and code."""
    catalogue = Catalog()
    for folder in FOLDERS:
        found = extract_from_dir(PACKAGE_DIR / folder, METHODS, keywords=KEYWORDS)
        for file, _, message, _, _ in sorted(found):
            catalogue.add(message, locations=[(f"{folder}/{Path(file).as_posix()}", 1)])
    return catalogue


def _parse_locale(tag: str) -> Locale:
    try:
        return Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        raise click.ClickException(f"{tag} is not a language tag, such as it or pt-BR.") from None


def _read_catalogue(file: Path, locale: Locale) -> Catalog:
    if not file.exists():
        return Catalog(locale, creation_date=clock.now())
    with file.open("rb") as stream:
        return read_po(stream, locale=locale)


def _write_catalogue(file: Path, source: Catalog, locale: Locale) -> int:
    """Rewrite a catalogue, and return how many of its messages have no translation."""
    existing = _read_catalogue(file, locale)
    updated = Catalog(locale, project="Gatehouse", version="1", header_comment="#", fuzzy=False)
    updated.creation_date = existing.creation_date
    for message in source:
        if message.id:
            old = existing.get(message.id)
            updated.add(message.id, old.string if old else "", locations=message.locations)
    with file.open("wb") as stream:
        write_po(stream, updated, omit_header=False, include_lineno=False, sort_output=False)
    return sum(1 for message in updated if message.id and not message.string)
