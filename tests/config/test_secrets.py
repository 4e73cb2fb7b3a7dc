"""Keys come from the environment or from files; bad ones stop the start; none is ever shown."""

import base64
import itertools
from dataclasses import fields

import pytest

from config import Settings
from gatehouse.settings.loader import name_of
from tests.config.conftest import complaints, read
from tests.conftest import key

CHANGEME = base64.b64encode(b"changeme" * 4).decode()
SHORT = base64.b64encode(bytes(range(31))).decode()
LONG = base64.b64encode(bytes(range(33))).decode()
RINGS = ("GATEHOUSE_SECRET_KEYS", "GATEHOUSE_ENCRYPTION_KEYS", "GATEHOUSE_PASSWORD_PEPPERS")


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "{} is missing; make one with:"),
        ("", "{} is missing; make one with:"),
        ("changeme", "{} needs keys of exactly 32 bytes; make one with:"),
        ("secret:changeme", "{} needs keys of exactly 32 bytes; make one with:"),
        ("secret:change-me!", "{} must be base64; make one with:"),
        (f"k1:{CHANGEME}", "{} holds a key that is not random; make one with:"),
        (f"k1:{'A' * 43}=", "{} holds a key that is not random; make one with:"),
        (f"k1:{SHORT}", "{} needs keys of exactly 32 bytes; make one with:"),
        (f"k1:{LONG}", "{} needs keys of exactly 32 bytes; make one with:"),
        (f"k1:{key(5)[5:]},k2:{key(5)[5:]}", "{} holds the same key twice."),
        (f"k1:{key(5)[5:]},k1:{key(6)[5:]}", "{} needs entries like k1:BASE64"),
        (f"a-long-name-of-a-key:{key(5)[5:]}", "{} needs entries like k1:BASE64"),
        (f"k1:{key(5)[5:]},", "{} needs entries like k1:BASE64"),
    ],
)
def test_a_bad_secret_is_told_in_a_sentence_that_names_its_setting(ring, value, sentence):
    [told] = complaints(**{ring: value})

    assert told.startswith(sentence.format(ring))


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize("rings", [*itertools.combinations(RINGS, 2)])
def test_two_rings_never_share_a_key(rings):
    old = f"{key(4)},old:{key(5)[5:]}"  # nor a key that is only read any more
    alike = dict(zip(rings, [key(5), old], strict=True))

    assert complaints(**alike) == [
        "The same key stands in two of the key rings; give each ring its own."
    ]


@pytest.mark.requirement("CF-02")
def test_no_value_of_any_setting_stands_in_a_complaint():
    read_as_text = {"audience", "host", "instance", "sms_account", "sms_from", "sms_secret"}
    read_as_text |= {"captcha_site_key", "captcha_secret"}
    values = {
        name_of(option.name): f"sesame{number}:/?x"
        for number, option in enumerate(fields(Settings))
        if option.name not in read_as_text
    }

    told = complaints(**values)

    named = {name for name in values if any(name in sentence for sentence in told)}
    assert named == values.keys()
    assert "sesame" not in "".join(told)


@pytest.mark.requirement("CF-02")
def test_a_made_up_ring_is_shown_nowhere():
    settings = read()

    material = key(0).partition(":")[2]
    assert material not in repr(settings)
    assert "bytes" not in repr(settings.secret_keys)
    assert repr(bytes(range(32))) not in repr(settings) + repr(settings.secret_keys)


def test_the_first_key_of_a_ring_is_active_and_the_others_are_read():
    ring = read(GATEHOUSE_SECRET_KEYS=f"new:{key(5)[5:]}, old:{key(0)[5:]}").secret_keys

    assert ring.active == "new"
    assert ring.keys == {"new": bytes(range(160, 192)), "old": bytes(range(32))}


# Files


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize("ring", RINGS)
def test_a_secret_can_come_from_a_file_without_its_newline(tmp_path, ring):
    file = tmp_path / "secret"
    file.write_text(f"{key(5)}\n")

    settings = read(**{ring: None, f"{ring}_FILE": str(file)})

    found = getattr(settings, ring.removeprefix("GATEHOUSE_").lower())
    assert found.keys == {"test": bytes(range(160, 192))}


def test_every_setting_can_come_from_a_file(tmp_path):
    file = tmp_path / "url"
    file.write_text("postgres://u:p@db/gatehouse\r\n")
    token = tmp_path / "token"
    token.write_text("a long token of the metrics\n")

    settings = read(DATABASE_URL_FILE=str(file), GATEHOUSE_METRICS_TOKEN_FILE=str(token))

    assert settings.database_url == "postgresql+psycopg://u:p@db/gatehouse"
    assert settings.metrics_token == "a long token of the metrics"


@pytest.mark.requirement("CF-02")
def test_a_setting_that_is_given_twice_is_refused(tmp_path):
    file = tmp_path / "secret"
    file.write_text(key(5))

    told = complaints(GATEHOUSE_SECRET_KEYS_FILE=str(file))

    assert told == ["GATEHOUSE_SECRET_KEYS is given twice: unset it or GATEHOUSE_SECRET_KEYS_FILE."]


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize("kind", ["missing", "folder", "binary"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, kind):
    file = tmp_path / kind
    if kind == "folder":
        file.mkdir()
    if kind == "binary":
        file.write_bytes(b"\xff\xfe")

    told = complaints(GATEHOUSE_SECRET_KEYS=None, GATEHOUSE_SECRET_KEYS_FILE=str(file))

    assert told == ["GATEHOUSE_SECRET_KEYS_FILE must name a readable text file."]
