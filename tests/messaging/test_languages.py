"""Languages: complete translations, and the choice of the language of messages and pages."""

import re

import pytest
from babel.messages.pofile import read_po

from gatehouse.cli.translations import extract_messages
from gatehouse.core import i18n
from gatehouse.settings.languages import LANGUAGES, TRANSLATIONS_FOLDER
from tests.client import PASSWORD

PACKAGE = TRANSLATIONS_FOLDER.parent
OTHERS = LANGUAGES[1:]
ENGLISH_ONLY = {"docs", "errors", "mailbox"}  # pages for developers
PLACEHOLDER = re.compile(r"%\((\w+)\)s|%")
MARKUP = re.compile(r"{#.*?#}|{%.*?%}|{{.*?}}|<!.*?>|<[^>]*>", re.DOTALL)
NAMES = {"Gatehouse", "passkey", "Passkey", "Code", "E-mail", "No", "Applications"}
"""Words that are the same in another language."""
TEMPLATES = sorted(
    [
        *(PACKAGE / "messaging/templates").iterdir(),
        *(f for f in (PACKAGE / "pages/templates").rglob("*.html") if f.stem not in ENGLISH_ONLY),
    ]
)
SCRIPTS = [f for f in sorted((PACKAGE / "pages/static").glob("*.js")) if f.stem not in ENGLISH_ONLY]
ADA = "ada@example.com"
FRENCH = {"Accept-Language": "tlh, fr-CH;q=0.9, de;q=0.8, *;q=0.5"}


@pytest.fixture(scope="module")
def messages():
    """Return all translatable texts of templates, pages and code."""
    return {message.id for message in extract_messages() if message.id}


def load_catalogue(tag):
    with (TRANSLATIONS_FOLDER / f"{tag}.po").open("rb") as file:
        return {message.id: message for message in read_po(file, locale=tag) if message.id}


# The catalogues


def test_languages_include_the_five_shipped_ones():
    assert set(LANGUAGES) >= {"en", "de", "fr", "es", "zh"}


def test_catalogues_translate_exactly_the_texts_in_use(messages):
    for tag in OTHERS:
        translated = load_catalogue(tag)

        assert messages - translated.keys() == set(), tag
        assert translated.keys() - messages == set(), tag
        untranslated = {text for text, entry in translated.items() if not entry.string}
        assert untranslated == set(), tag
        assert {text for text, entry in translated.items() if entry.fuzzy} == set(), tag


def test_translations_keep_the_placeholders_and_differ_from_the_text():
    entries = [item for tag in OTHERS for item in load_catalogue(tag).items()]
    for text, entry in entries:
        placeholders = sorted(PLACEHOLDER.findall(entry.string))
        assert placeholders == sorted(PLACEHOLDER.findall(text)), text
        assert entry.string.casefold() != text.casefold() or text in NAMES, text
        assert not set(entry.string) & set("<>&\n"), text  # HTML parts do not escape it


def test_templates_contain_no_text_outside_of_the_catalogues():
    for file in TEMPLATES:
        words = re.findall(r"[^\W\d_]{2,}", MARKUP.sub("", file.read_text(encoding="utf-8")))

        assert set(words) <= NAMES, file.name


def test_scripts_contain_no_text_outside_of_their_pages():
    for file in SCRIPTS:
        code = re.sub(r"//.*|/\*.*?\*/", "", file.read_text(encoding="utf-8"))
        strings = re.findall(r"\"[^\"\n]*\"|`[^`]*`", code)

        assert [t for t in strings if re.search(r"[A-Za-z]{2,} [a-z]{2,}", t)] == [], file.name


def test_language_is_added_with_one_command(app, tmp_path):
    commands = app.test_cli_runner()
    created = commands.invoke(args=["translations", "update", "it", "--folder", str(tmp_path)])
    file = tmp_path / "it.po"
    file.write_text(
        file.read_text().replace('msgid "Sign in"\nmsgstr ""', 'msgid "Sign in"\nmsgstr "Entra"')
    )

    updated = commands.invoke(args=["translations", "update", "--folder", str(tmp_path)])
    wrong = commands.invoke(args=["translations", "update", "nonsense!", "--folder", str(tmp_path)])

    count = int(re.search(r": (\d+) messages", created.output)[1])
    assert f"{count} messages, {count} without" in created.output
    assert f"{count} messages, {count - 1} without" in updated.output
    assert 'msgstr "Entra"' in file.read_text()
    assert (wrong.exit_code, "is not a language tag" in wrong.output) == (1, True)


def test_catalogues_are_as_the_command_writes_them(app, tmp_path):
    for tag in OTHERS:
        (tmp_path / f"{tag}.po").write_bytes((TRANSLATIONS_FOLDER / f"{tag}.po").read_bytes())

    app.test_cli_runner().invoke(args=["translations", "update", "--folder", str(tmp_path)])

    for tag in OTHERS:
        committed = (TRANSLATIONS_FOLDER / f"{tag}.po").read_text()
        assert (tmp_path / f"{tag}.po").read_text() == committed, "gatehouse translations update"


# The choice of a language


def test_language_of_the_user_comes_first_then_accept_language(app):
    cases = [
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
    ]
    with app.app_context():
        for locale, accepted, expected in cases:
            assert i18n.choose_language(locale, accepted).tag == expected, (locale, accepted)


@pytest.mark.settings(GATEHOUSE_DEFAULT_LOCALE="es")
def test_language_default_of_the_operator_applies_without_any_preference(client):
    client.register(ADA)
    client.register("bob@example.com", locale="de")

    bobs, adas = client.mailbox()

    assert adas["subject"] == "Confirme su dirección de correo"
    assert bobs["subject"] == "Bestätigen Sie Ihre E-Mail-Adresse"


def test_language_of_a_message_is_the_one_of_accept_language(client):
    client.post("/auth/register", {"email": ADA, "password": PASSWORD}, headers=FRENCH)

    message = client.mailbox()[0]

    assert message["subject"] == "Confirmez votre adresse e-mail"
    assert '<html lang="fr" dir="ltr">' in message["html"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", message["variables"]["expires"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", message["variables"]["asked"])


def test_language_of_a_page_is_the_one_of_accept_language(client):
    client.register(ADA)
    path = client.mailbox()[0]["variables"]["link"].partition("#")[0].split("/", 3)[3]

    french, english = (client.get(f"/{path}", headers=h) for h in (FRENCH, {}))

    assert '<html lang="fr" dir="ltr">' in french.text
    assert "Confirmez votre adresse" in french.text
    assert "un appareil inconnu" in french.text
    assert "Confirm your e-mail address" in english.text
    assert "Accept-Language" in french.vary


def test_french_punctuation_stays_with_its_word():
    """Text messages have plain spaces: a no-break space makes them twice as long (GSM 03.38)."""
    texts = [entry.string for entry in load_catalogue("fr").values() if "'" not in entry.string]

    assert [text for text in texts if re.search(r" [:;!?»]|« ", text)] == []
