"""In which language somebody is written to, and that every language says everything."""

import re

import pytest
from babel.messages.pofile import read_po

from gatehouse.cli.translations import source
from gatehouse.core import i18n
from gatehouse.settings.languages import CATALOGUES, LANGUAGES
from tests.client import PASSWORD

ROOM = CATALOGUES.parent
OTHERS = LANGUAGES[1:]
ENGLISH_ONLY = {"docs", "errors", "mailbox"}  # pages that developers read
PLACEHOLDER = re.compile(r"%\((\w+)\)s|%")
MARKUP = re.compile(r"{%.*?%}|{{.*?}}|<!.*?>|<[^>]*>", re.DOTALL)
NAMES = {"Gatehouse", "passkey", "Passkey", "Code", "E-mail"}
"""What is the same word in some other language."""
TEMPLATES = sorted(
    [
        *(ROOM / "messaging/templates").iterdir(),
        *(f for f in (ROOM / "pages/templates").rglob("*.html") if f.stem not in ENGLISH_ONLY),
    ]
)
SCRIPTS = [f for f in sorted((ROOM / "pages/static").glob("*.js")) if f.stem not in ENGLISH_ONLY]
ADA = "ada@example.com"
FRENCH = {"Accept-Language": "tlh, fr-CH;q=0.9, de;q=0.8, *;q=0.5"}


@pytest.fixture(scope="module")
def said():
    """Every text of templates, pages and code."""
    return {message.id for message in source() if message.id}


def catalogue(tag):
    with (CATALOGUES / f"{tag}.po").open("rb") as file:
        return {message.id: message for message in read_po(file, locale=tag) if message.id}


# The catalogues


def test_five_languages_are_spoken():
    assert set(LANGUAGES) >= {"en", "de", "fr", "es", "zh"}


@pytest.mark.parametrize("tag", OTHERS)
def test_every_text_is_translated_and_nothing_else_is_kept(said, tag):
    translated = catalogue(tag)

    assert {text for text in said if text not in translated} == set()
    assert {text for text in translated if text not in said} == set()
    assert {text for text, message in translated.items() if not message.string} == set()
    assert {text for text, message in translated.items() if message.fuzzy} == set()


@pytest.mark.parametrize("tag", OTHERS)
def test_a_translation_has_the_placeholders_of_its_text_and_is_not_the_text(tag):
    for text, message in catalogue(tag).items():
        found = sorted(PLACEHOLDER.findall(message.string))
        assert found == sorted(PLACEHOLDER.findall(text)), text
        assert message.string.casefold() != text.casefold() or text in NAMES, text
        assert not set(message.string) & set("<>&\n"), text  # HTML parts show it as it is


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_every_word_of_a_template_goes_through_the_catalogues(file):
    words = re.findall(r"[^\W\d_]{2,}", MARKUP.sub("", file.read_text(encoding="utf-8")))

    assert set(words) <= NAMES


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_every_word_of_a_script_stands_in_its_page(file):
    code = re.sub(r"//.*|/\*.*?\*/", "", file.read_text(encoding="utf-8"))
    texts = re.findall(r"\"[^\"\n]*\"|`[^`]*`", code)

    assert [text for text in texts if re.search(r"[A-Za-z]{2,} [a-z]{2,}", text)] == []


def test_a_new_language_begins_with_one_command(app, tmp_path):
    commands = app.test_cli_runner()
    begun = commands.invoke(args=["letters", "update", "it", "--folder", str(tmp_path)])
    file = tmp_path / "it.po"
    file.write_text(
        file.read_text().replace('msgid "Sign in"\nmsgstr ""', 'msgid "Sign in"\nmsgstr "Entra"')
    )

    again = commands.invoke(args=["letters", "update", "--folder", str(tmp_path)])
    wrong = commands.invoke(args=["letters", "update", "nonsense!", "--folder", str(tmp_path)])

    count = int(re.search(r"has (\d+) texts", begun.output)[1])
    assert f"has {count} texts, {count} without" in begun.output
    assert f"has {count} texts, {count - 1} without" in again.output
    assert 'msgstr "Entra"' in file.read_text()
    assert (wrong.exit_code, "is no language tag" in wrong.output) == (1, True)


def test_the_catalogues_are_as_the_command_writes_them(app, tmp_path):
    for tag in OTHERS:
        (tmp_path / f"{tag}.po").write_bytes((CATALOGUES / f"{tag}.po").read_bytes())

    app.test_cli_runner().invoke(args=["letters", "update", "--folder", str(tmp_path)])

    for tag in OTHERS:
        kept = (CATALOGUES / f"{tag}.po").read_text()
        assert (tmp_path / f"{tag}.po").read_text() == kept, "run: flask letters update"


# Whose language


@pytest.mark.parametrize(
    ("locale", "accepted", "chosen"),
    [
        (None, "", "en"),
        ("fr", "de", "fr"),
        ("pt-BR", "de", "de"),
        (None, "de-AT, en;q=0.9", "de"),
        (None, "en;q=0.4, es;q=0.5", "es"),
        (None, "zh-Hans-CN", "zh"),
        (None, "DE", "de"),
        (None, "de;q=0, fr;q=0.1", "fr"),
        (None, "*", "en"),
        (None, "tlh", "en"),
        (None, "de;q=abc, ;;;,,, \x00", "en"),
        (None, ",".join(["xx"] * 50 + ["de"]), "en"),
        ("../de", "", "en"),
    ],
)
def test_the_persons_language_comes_first_then_the_visitors(app, locale, accepted, chosen):
    with app.app_context():
        assert i18n.choose(locale, accepted).tag == chosen


@pytest.mark.settings(GATEHOUSE_DEFAULT_LOCALE="es")
def test_the_operators_default_is_for_whom_nothing_is_known(client):
    client.register(ADA)
    client.register("bob@example.com", locale="de")

    bobs, adas = client.mailbox()

    assert adas["subject"] == "Confirme su dirección de correo"
    assert bobs["subject"] == "Bestätigen Sie Ihre E-Mail-Adresse"


def test_a_letter_is_in_the_language_that_the_visitor_accepts(client):
    client.post("/auth/register", {"email": ADA, "password": PASSWORD}, headers=FRENCH)

    letter = client.mailbox()[0]

    assert letter["subject"] == "Confirmez votre adresse e-mail"
    assert '<html lang="fr" dir="ltr">' in letter["html"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", letter["variables"]["expires"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", letter["variables"]["asked"])


def test_a_page_is_in_the_language_that_the_visitor_accepts(client):
    client.register(ADA)
    path = client.mailbox()[0]["variables"]["link"].partition("#")[0].split("/", 3)[3]

    french, english = (client.get(f"/{path}", headers=h) for h in (FRENCH, {}))

    assert '<html lang="fr" dir="ltr">' in french.text
    assert "Confirmez votre adresse" in french.text
    assert "un appareil inconnu" in french.text
    assert "Confirm your e-mail address" in english.text
    assert "Accept-Language" in french.vary
