"""Every letter says everything, in every language, and shows its values as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from jinja2 import UndefinedError

from config import ConfigurationError
from gatehouse.account import phone_number
from gatehouse.core.i18n import language
from gatehouse.messaging import templates
from gatehouse.messaging.template_catalog import EXAMPLES, LETTERS
from gatehouse.settings.languages import LANGUAGES
from gatehouse.users import notifications
from tests.conftest import environment, running

HOSTILE = '<script>alert("1")</script>{{ 7 * 7 }}%(site)s'
CIRCUMSTANCES = ("asked", "address", "device")
MAILS = [name for name in LETTERS if not name.startswith("sms_")]
TEXTS = [name for name in LETTERS if name.startswith("sms_")]
WITHOUT_CIRCUMSTANCES = {"invitation"}  # the operator's are nobody's business
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)  # 3GPP TS 23.038 section 6.2.1


@pytest.fixture(scope="module")
def service():
    """Lend an application that needs no database of its own."""
    home = {"GATEHOUSE_PUBLIC_URL": "https://id.example.com"}
    with running(environment("sqlite:////nowhere") | home) as app:
        yield app


@pytest.fixture
def write(service):
    """Render a letter with examples of its variables, some of them changed."""

    def write(name, tag="en", folder="", **changes):
        shown = {variable: EXAMPLES[variable] for variable in (*LETTERS[name], *CIRCUMSTANCES)}
        with service.app_context():
            return templates.render(name, shown | changes, language(tag), folder)

    return write


def visible(name, tag):
    """Return what a reader finds of each example."""
    moments = {n: v for n, v in EXAMPLES.items() if isinstance(v, datetime)}
    shown = EXAMPLES | {n: language(tag).moment(v) for n, v in moments.items()}
    shown |= {n: language(tag).say(w) for n, w in [("factor", "authenticator app")]}
    shown |= {"what": language(tag).say(EXAMPLES["what"])}
    shown |= {"device": language(tag).device(EXAMPLES["device"])}
    hidden = name in WITHOUT_CIRCUMSTANCES or name.startswith("sms_")
    return {n: str(shown[n]) for n in (*LETTERS[name], *(() if hidden else CIRCUMSTANCES))}


def test_every_letter_has_its_files_and_every_file_its_letter():
    stems = {
        kind: {file.stem for file in templates.FOLDER.glob(f"*.{kind}")} for kind in ("txt", "html")
    }

    assert stems["txt"] == set(LETTERS)
    assert stems["html"] - {"layout", "letter", "parts"} == set(MAILS)


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_a_mail_says_everything_in_both_parts_in_every_language(write, name, tag):
    letter = write(name, tag)

    assert letter.keys() == {"subject", "text", "html"}
    assert 0 < len(letter["subject"]) < 80
    assert letter["subject"].isprintable()
    for value in visible(name, tag).values():
        assert value in letter["text"]
        assert value in letter["html"].replace("&amp;", "&")
        assert value not in letter["subject"]  # subjects stand in logs and on locked screens
    assert "id.example.com" in letter["text"]
    assert f'<html lang="{tag}" dir="ltr">' in letter["html"]
    assert "%(" not in letter["text"] + letter["html"] + letter["subject"]


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_message_fits_one_segment_in_every_language(write, name, tag):
    letter = write(name, tag, what="your password was reset")
    text = letter["text"]

    assert (letter["subject"], letter["html"]) == ("", "")
    assert len(text) <= (160 if set(text) <= GSM else 70)
    assert all(value in text for value in visible(name, tag).values())


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("what", [*notifications.TEXTED.values(), phone_number.CHANGED])
def test_whatever_is_texted_about_an_account_is_said_in_the_language_and_fits(write, what, tag):
    text = write("sms_notice", tag, what=what)["text"]

    assert language(tag).say(what) in text
    assert (what in text) == (tag == "en")
    assert len(text) <= (160 if set(text) <= GSM else 70)


@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in TEXTS if "code" in LETTERS[name]])
def test_browsers_find_the_code_of_a_text_message_and_whose_it_is(write, name, tag):
    text = write(name, tag)["text"]

    assert text.startswith("12345678")
    assert text.split("\n")[-1] == "@id.example.com #12345678"  # WICG sms-one-time-codes


@pytest.mark.parametrize("name", LETTERS)
def test_every_language_says_it_in_its_own_words(write, name):
    written = [write(name, tag)["text"] for tag in LANGUAGES]

    assert len(set(written)) == len(LANGUAGES)


@pytest.mark.requirement("AP-09")
@pytest.mark.parametrize("tag", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_values_become_neither_markup_nor_templates(write, name, tag):
    letter = write(name, tag, **dict.fromkeys((*LETTERS[name], *CIRCUMSTANCES), HOSTILE))

    assert "<script>" not in letter["html"]
    if LETTERS[name] or name not in WITHOUT_CIRCUMSTANCES:
        assert "&lt;script&gt;" in letter["html"]
        assert HOSTILE in letter["text"]
    assert "49" not in letter["html"] + letter["text"]


@pytest.mark.parametrize("name", [name for name in LETTERS if LETTERS[name]])
def test_a_letter_with_a_gap_is_not_written(service, name):
    with service.app_context(), pytest.raises(UndefinedError):
        templates.render(name, {}, language("en"))


def test_a_moment_is_written_in_utc_as_the_language_writes_it(write):
    moment = datetime(2026, 12, 24, 23, 30, tzinfo=timezone(timedelta(hours=-2)))

    said = {tag: write("notice_mfa_reset", tag, when=moment)["text"] for tag in LANGUAGES}

    assert "December 25, 2026, 01:30 UTC" in said["en"]
    assert "25. Dezember 2026, 01:30 UTC" in said["de"]
    assert "25 décembre 2026, 01:30 UTC" in said["fr"]
    assert "25 de diciembre de 2026, 01:30 UTC" in said["es"]
    assert "2026年12月25日 01:30 UTC" in said["zh"]
    assert moment.astimezone(UTC).hour == 1


def test_devices_and_unknown_places_are_named_in_the_readers_language(write):
    known = write("notice_lockout", "de")["text"]
    unknown = write("notice_lockout", "de", device="an unknown device", address="")["text"]

    assert "Gerät: Firefox unter Linux." in known
    assert "Herkunft: unbekannter Ort; Gerät: unbekanntes Gerät." in unknown


# Templates of the operator's


def put(folder, name, text):
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_an_operators_template_goes_before_ours_and_its_language_before_the_rest(write, tmp_path):
    put(tmp_path, "login_link.txt", "Hello\n\n{{ code }} until {{ expires }}")
    put(tmp_path, "de/login_link.txt", "Hallo\n\n{{ code }} bis {{ expires }}")
    put(tmp_path, "login_link.html", "<p>{{ code }}</p>")
    folder = str(tmp_path)

    english, german = (write("login_link", tag, folder) for tag in ("en", "de"))

    assert english["text"] == "12345678 until December 24, 2026, 18:30 UTC"
    assert english["html"] == "<p>12345678</p>"
    assert (german["subject"], german["html"]) == ("Hallo", english["html"])
    assert "Enter this code" in write("verify_email", "en", folder)["text"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("login_link.txt", "Sign in\n\n{{ code"),
        ("login_link.txt", "Sign in\n\n{{ password }}"),
        ("login_link.txt", "Sign in\n\n{{ ''.__class__.__mro__ }}"),
        ("login_link.txt", "Sign in\n\n{{ 1 / 0 }}"),
        ("login_link.txt", "\nno subject"),
        ("login_link.html", "{% block letter %}"),
        ("de/login_link.html", "{{ code | nothing }}"),
        ("log_in_link.txt", "Sign in"),
        ("address_known.txt", "An old name"),
    ],
)
def test_an_operators_template_that_does_not_render_stops_the_start(tmp_path, name, text):
    file = put(tmp_path, name, text)

    with (
        pytest.raises(ConfigurationError) as refused,
        running(environment("sqlite:////nowhere") | {"GATEHOUSE_TEMPLATES": str(tmp_path)}),
    ):
        pass

    [sentence] = str(refused.value).split("\n")
    assert sentence.startswith(f"GATEHOUSE_TEMPLATES: {file} ")
    assert sentence.endswith(".")


def test_a_template_under_an_old_name_stops_the_start_with_its_new_name(tmp_path):
    old = put(tmp_path, "lost_factor.html", "<p>{{ code }}</p>")

    with (
        pytest.raises(ConfigurationError) as stopped,
        running(environment("sqlite:////nowhere") | {"GATEHOUSE_TEMPLATES": str(tmp_path)}),
    ):
        pass

    assert str(stopped.value) == f"GATEHOUSE_TEMPLATES: {old} must be renamed to mfa_recovery.html."


def test_a_template_that_extends_the_layout_by_its_old_names_still_renders(write, tmp_path):
    put(
        tmp_path,
        "login_link.html",
        '{% extends "letter.html" %}{% block letter %}<p>{{ code }}</p>{% endblock %}',
    )

    html = write("login_link", "en", str(tmp_path))["html"]

    assert '<html lang="en" dir="ltr">' in html
    assert "<p>12345678</p>" in html
