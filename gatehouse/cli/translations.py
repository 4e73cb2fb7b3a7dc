"""`flask letters`: the catalogues of the languages that letters and pages are written in."""

from pathlib import Path

import click
from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po
from flask.cli import AppGroup

import config
from gatehouse.core import clock
from gatehouse.settings.languages import CATALOGUES

ROOM = config.ROOT / "gatehouse"
METHODS = [("**.py", "python"), ("**.txt", "jinja2"), ("**.html", "jinja2")]
KEYWORDS = {"_": None, "marked": None}
FOLDERS = ("core", "messaging", "pages", "passwords", "web")

letters = AppGroup("letters", help="What letters and pages say, in languages.")
in_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=CATALOGUES,
    help="Where the catalogues are, gatehouse/translations by default.",
)


@letters.command("update")
@click.argument("language", required=False)
@in_folder
def update(language: str | None, folder: Path) -> None:
    """Bring every catalogue up to the texts there are; LANGUAGE, such as `it`, begins a new one.

    What is new has an empty translation afterwards; what nobody says any more is gone.
    """
    said = source()
    tags = [language] if language else sorted(file.stem for file in folder.glob("*.po"))
    for tag in tags:
        file = folder / f"{tag}.po"
        missing = _write(file, said, _locale(tag))
        click.echo(f"{file} has {len(said)} texts, {missing} without a translation.")


def source() -> Catalog:
    """Return what templates, pages and code say, in English."""
    catalogue = Catalog()
    for folder in FOLDERS:
        found = extract_from_dir(ROOM / folder, METHODS, keywords=KEYWORDS)
        for file, _, text, _, _ in sorted(found):
            catalogue.add(text, locations=[(f"{folder}/{Path(file).as_posix()}", 1)])
    return catalogue


def _locale(tag: str) -> Locale:
    try:
        return Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        raise click.ClickException(f"{tag} is no language tag; one is it, or pt-BR.") from None


def _read(file: Path, locale: Locale) -> Catalog:
    if not file.exists():
        return Catalog(locale, creation_date=clock.now())
    with file.open("rb") as kept:
        return read_po(kept, locale=locale)


def _write(file: Path, said: Catalog, locale: Locale) -> int:
    """Write a catalogue anew, and return how many of its texts have no translation."""
    known = _read(file, locale)
    fresh = Catalog(locale, project="Gatehouse", version="1", header_comment="#", fuzzy=False)
    fresh.creation_date = known.creation_date
    for message in said:
        if message.id:
            kept = known.get(message.id)
            fresh.add(message.id, kept.string if kept else "", locations=message.locations)
    with file.open("wb") as written:
        write_po(written, fresh, omit_header=False, include_lineno=False, sort_output=False)
    return sum(1 for message in fresh if message.id and not message.string)
