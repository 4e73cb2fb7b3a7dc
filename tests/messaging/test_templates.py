"""Message templates: complete in every language, with escaped values, replaceable by operators."""

import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from jinja2 import UndefinedError

from config import ConfigurationError
from gatehouse.account import phone_number
from gatehouse.core.i18n import load_language
from gatehouse.messaging import template_rendering
from gatehouse.messaging.template_catalog import EXAMPLES, TEMPLATES
from gatehouse.settings.languages import LANGUAGES
from gatehouse.users import notifications
from tests.conftest import environment, running

HOST = "id.example.com"
HOSTILE = '<script>alert("1")</script>{{ 7 * 7 }}%(site)s'
REQUEST_VARIABLES = ("asked", "address", "device")
EMAILS = [name for name in TEMPLATES if not name.startswith("sms_")]
SMS = [name for name in TEMPLATES if name.startswith("sms_")]
WITHOUT_REQUEST_VARIABLES = {
    "notice_api_key_expires",
    "notice_webhook_paused",
    "notice_client_secret_expires",
    "notice_impersonation",
    "invitation",
    "invitation_reminder",
}  # they would be those of the operator, or there is no request
GSM = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)  # 3GPP TS 23.038 section 6.2.1


@pytest.fixture(scope="module")
def service():
    """Return an application without a database."""
    url = {"GATEHOUSE_PUBLIC_URL": f"https://{HOST}"}
    with running(environment("sqlite:////nowhere") | url) as app:
        yield app


@pytest.fixture
def render(service):
    """Return a function that renders a template with example variables, some of them changed."""

    def render(name, tag="en", folder="", **changes):
        names = (*TEMPLATES[name], *REQUEST_VARIABLES)
        variables = {variable: EXAMPLES[variable] for variable in names}
        with service.app_context():
            return template_rendering.render(name, variables | changes, load_language(tag), folder)

    return render


def expected_values(name, tag):
    """Return how each example variable must appear in a template of a language."""
    language = load_language(tag)
    times = {n: v for n, v in EXAMPLES.items() if isinstance(v, datetime)}
    values = EXAMPLES | {n: language.format_datetime(v) for n, v in times.items()}
    values |= {"factor": language.gettext("authenticator app")}
    values |= {"what": language.gettext(EXAMPLES["what"])}
    values |= {"device": language.format_device(EXAMPLES["device"])}
    hidden = name in WITHOUT_REQUEST_VARIABLES or name.startswith("sms_")
    return {n: str(values[n]) for n in (*TEMPLATES[name], *(() if hidden else REQUEST_VARIABLES))}


def test_templates_have_exactly_the_files_of_the_catalog():
    stems = {
        suffix: {file.stem for file in template_rendering.FOLDER.glob(f"*.{suffix}")}
        for suffix in ("txt", "html")
    }

    assert stems["txt"] == set(TEMPLATES)
    assert stems["html"] - {"layout", "letter", "parts"} == set(EMAILS)


def test_email_has_all_values_in_both_parts_in_every_language(render):
    for name, tag in itertools.product(EMAILS, LANGUAGES):
        message = render(name, tag)
        subject, text, html = message["subject"], message["text"], message["html"]
        values = expected_values(name, tag).values()

        assert message.keys() == {"subject", "text", "html"}
        assert 0 < len(subject) < 80, (name, tag)
        assert subject.isprintable(), (name, tag)
        assert [value for value in values if value not in text] == [], (name, tag)
        assert [v for v in values if v not in html.replace("&amp;", "&")] == [], (name, tag)
        # a locked screen shows the subject
        assert [v for v in values if v and v in subject] == [], (
            name,
            tag,
        )  # it is shown when locked
        assert "Gatehouse" in text, (name, tag)
        assert f" {HOST}" not in text, (name, tag)
        assert f'<html lang="{tag}" dir="ltr">' in html, (name, tag)
        assert "%(" not in text + html + subject, (name, tag)


def test_sms_fits_one_segment_in_every_language(render):
    for name, tag in itertools.product(SMS, LANGUAGES):
        message = render(name, tag, what="your password was reset")
        text = message["text"]

        assert (message["subject"], message["html"]) == ("", "")
        assert len(text) <= (160 if set(text) <= GSM else 70), (name, tag)
        missing = [value for value in expected_values(name, tag).values() if value not in text]
        assert missing == [], (name, tag)


def test_sms_notification_is_translated_and_fits_one_segment_for_every_summary(render):
    summaries = [*notifications.SMS_SUMMARIES.values(), phone_number.CHANGE_SUMMARY]
    for what, tag in itertools.product(summaries, LANGUAGES):
        text = render("sms_notice", tag, what=what)["text"]

        assert load_language(tag).gettext(what) in text, (what, tag)
        assert (what in text) == (tag == "en"), (what, tag)
        assert len(text) <= (160 if set(text) <= GSM else 70), (what, tag)


def test_sms_code_is_bound_to_the_domain_for_autofill(render):
    for name, tag in itertools.product(SMS, LANGUAGES):
        if "code" in TEMPLATES[name]:
            text = render(name, tag)["text"]

            assert text.startswith("12345678"), (name, tag)
            last_line = text.split("\n")[-1]
            assert last_line == "@id.example.com #12345678", (name, tag)  # WICG sms-one-time-codes


def test_templates_differ_in_every_language(render):
    for name in TEMPLATES:
        texts = {render(name, tag)["text"] for tag in LANGUAGES}

        assert len(texts) == len(LANGUAGES), name


@pytest.mark.requirement("AP-09")
def test_template_values_become_neither_markup_nor_template_code(render):
    for name, tag in itertools.product(EMAILS, LANGUAGES):
        values = dict.fromkeys((*TEMPLATES[name], *REQUEST_VARIABLES), HOSTILE)
        message = render(name, tag, **values)

        assert "<script>" not in message["html"], (name, tag)
        if TEMPLATES[name] or name not in WITHOUT_REQUEST_VARIABLES:
            assert "&lt;script&gt;" in message["html"], (name, tag)
            assert HOSTILE in message["text"], (name, tag)
        assert "49" not in message["html"] + message["text"], (name, tag)


def test_template_with_a_missing_variable_is_not_rendered(service):
    with service.app_context():
        for name in TEMPLATES:
            if TEMPLATES[name]:
                with pytest.raises(UndefinedError):
                    template_rendering.render(name, {}, load_language("en"))


def test_times_are_formatted_in_utc_in_the_language(render):
    time = datetime(2026, 12, 24, 23, 30, tzinfo=timezone(timedelta(hours=-2)))

    texts = {tag: render("notice_mfa_reset", tag, when=time)["text"] for tag in LANGUAGES}

    assert "December 25, 2026, 01:30 UTC" in texts["en"]
    assert "25. Dezember 2026, 01:30 UTC" in texts["de"]
    assert "25 décembre 2026, 01:30 UTC" in texts["fr"]
    assert "25 de diciembre de 2026, 01:30 UTC" in texts["es"]
    assert "2026年12月25日 01:30 UTC" in texts["zh"]
    assert time.astimezone(UTC).hour == 1


def test_devices_and_unknown_locations_are_translated(render):
    known = render("notice_lockout", "de")["text"]
    unknown = render("notice_lockout", "de", device="an unknown device", address="")["text"]

    assert "Gerät: Firefox unter Linux." in known
    assert "Herkunft: unbekannter Ort; Gerät: unbekanntes Gerät." in unknown


# Templates of operators


def write_template(folder, name, text):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_operator_template_replaces_ours_and_one_of_the_language_comes_first(render, tmp_path):
    write_template(tmp_path, "login_link.txt", "Hello\n\n{{ code }} until {{ expires }}")
    write_template(tmp_path, "de/login_link.txt", "Hallo\n\n{{ code }} bis {{ expires }}")
    write_template(tmp_path, "login_link.html", "<p>{{ code }}</p>")
    folder = str(tmp_path)

    english, german = (render("login_link", tag, folder) for tag in ("en", "de"))

    assert english["text"] == "12345678 until December 24, 2026, 18:30 UTC"
    assert english["html"] == "<p>12345678</p>"
    assert (german["subject"], german["html"]) == ("Hallo", english["html"])
    assert "Enter this code" in render("verify_email", "en", folder)["text"]


def start(folder):
    """Start an application with an operator's templates; return the error that stops it."""
    settings = environment("sqlite:////nowhere") | {"GATEHOUSE_TEMPLATES": str(folder)}
    with pytest.raises(ConfigurationError) as stopped, running(settings):
        pass
    return str(stopped.value)


def test_operator_template_that_does_not_render_stops_the_start(tmp_path):
    broken = [
        ("login_link.txt", "Sign in\n\n{{ code"),
        ("login_link.txt", "Sign in\n\n{{ password }}"),
        ("login_link.txt", "Sign in\n\n{{ ''.__class__.__mro__ }}"),
        ("login_link.txt", "Sign in\n\n{{ 1 / 0 }}"),
        ("login_link.txt", "\nno subject"),
        ("login_link.html", "{% block letter %}"),
        ("de/login_link.html", "{{ code | nothing }}"),
        ("log_in_link.txt", "Sign in"),
        ("address_known.txt", "An old name"),
    ]
    for number, (name, text) in enumerate(broken):
        file = write_template(tmp_path / str(number), name, text)

        [sentence] = start(tmp_path / str(number)).split("\n")

        assert sentence.startswith(f"GATEHOUSE_TEMPLATES: {file} "), text
        assert sentence.endswith("."), text


def test_operator_template_with_an_old_name_stops_the_start_with_the_new_name(tmp_path):
    old = write_template(tmp_path, "lost_factor.html", "<p>{{ code }}</p>")

    error = start(tmp_path)

    assert error == f"GATEHOUSE_TEMPLATES: {old} must be renamed to mfa_recovery.html."


def test_operator_template_that_extends_the_layout_by_its_old_names_still_renders(render, tmp_path):
    write_template(
        tmp_path,
        "login_link.html",
        '{% extends "letter.html" %}{% block letter %}<p>{{ code }}</p>{% endblock %}',
    )

    html = render("login_link", "en", str(tmp_path))["html"]

    assert '<html lang="en" dir="ltr">' in html
    assert "<p>12345678</p>" in html
