"""Secrets: read from the environment or from files; invalid ones stop the start; none is shown."""

import base64
import itertools
from dataclasses import fields

import pytest

from config import Settings
from gatehouse.settings.loader import environment_name
from tests.config.conftest import read_problems, read_settings
from tests.conftest import key

CHANGEME = base64.b64encode(b"changeme" * 4).decode()
SHORT = base64.b64encode(bytes(range(31))).decode()
LONG = base64.b64encode(bytes(range(33))).decode()
RINGS = ("GATEHOUSE_SECRET_KEYS", "GATEHOUSE_ENCRYPTION_KEYS", "GATEHOUSE_PASSWORD_PEPPERS")


@pytest.mark.requirement("AZ-06")
@pytest.mark.requirement("CF-02")
def test_key_rings_that_are_invalid_are_reported_with_the_name_of_their_setting():
    cases = [
        (None, "{} is missing; generate one with:"),
        ("", "{} is missing; generate one with:"),
        ("changeme", "{} needs keys of exactly 32 bytes; generate one with:"),
        ("secret:changeme", "{} needs keys of exactly 32 bytes; generate one with:"),
        ("secret:change-me!", "{} must be base64; generate one with:"),
        (f"k1:{CHANGEME}", "{} contains a key that is not random; generate one with:"),
        (f"k1:{'A' * 43}=", "{} contains a key that is not random; generate one with:"),
        (f"k1:{SHORT}", "{} needs keys of exactly 32 bytes; generate one with:"),
        (f"k1:{LONG}", "{} needs keys of exactly 32 bytes; generate one with:"),
        (f"k1:{key(5)[5:]},k2:{key(5)[5:]}", "{} contains the same key twice."),
        (f"k1:{key(5)[5:]},k1:{key(6)[5:]}", "{} needs entries like k1:BASE64"),
        (f"a-long-name-of-a-key:{key(5)[5:]}", "{} needs entries like k1:BASE64"),
        (f"k1:{key(5)[5:]},", "{} needs entries like k1:BASE64"),
    ]

    for ring, (value, sentence) in itertools.product(RINGS, cases):
        [problem] = read_problems(**{ring: value})

        assert problem.startswith(sentence.format(ring)), (ring, value)


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize("rings", [*itertools.combinations(RINGS, 2)])
def test_key_rings_must_not_share_a_key(rings):
    old = f"{key(4)},old:{key(5)[5:]}"  # an old key that is still accepted counts too
    changes = dict(zip(rings, [key(5), old], strict=True))

    assert read_problems(**changes) == [
        "The same key is in two of the key rings; give each ring its own."
    ]


@pytest.mark.requirement("CF-02")
def test_settings_problems_never_contain_a_value():
    accept_any_text = {"audience", "host", "data_dir", "sms_account", "sms_from", "sms_secret"}
    accept_any_text |= {"captcha_site_key", "captcha_secret", "gateway_audiences"}
    values = {
        environment_name(field.name): f"sesame{number}:/?x"
        for number, field in enumerate(fields(Settings))
        if field.name not in accept_any_text
    }

    problems = read_problems(**values)

    named = {name for name in values if any(name in sentence for sentence in problems)}
    assert named == values.keys()
    assert "sesame" not in "".join(problems)


@pytest.mark.requirement("CF-02")
def test_key_rings_are_not_shown_by_repr():
    settings = read_settings()

    material = key(0).partition(":")[2]
    assert material not in repr(settings)
    assert "bytes" not in repr(settings.secret_keys)
    assert repr(bytes(range(32))) not in repr(settings) + repr(settings.secret_keys)


def test_key_ring_uses_its_first_key_and_accepts_the_others():
    ring = read_settings(GATEHOUSE_SECRET_KEYS=f"new:{key(5)[5:]}, old:{key(0)[5:]}").secret_keys

    assert ring.active == "new"
    assert ring.keys == {"new": bytes(range(160, 192)), "old": bytes(range(32))}


# Files


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize("ring", RINGS)
def test_settings_with_secrets_are_read_from_files_without_their_newline(tmp_path, ring):
    file = tmp_path / "secret"
    file.write_text(f"{key(5)}\n")

    settings = read_settings(**{ring: None, f"{ring}_FILE": str(file)})

    found = getattr(settings, ring.removeprefix("GATEHOUSE_").lower())
    assert found.keys == {"test": bytes(range(160, 192))}


def test_settings_without_secrets_are_read_from_files_too(tmp_path):
    file = tmp_path / "url"
    file.write_text("postgres://u:p@db/gatehouse\r\n")
    token = tmp_path / "token"
    token.write_text("a long token of the metrics\n")

    settings = read_settings(DATABASE_URL_FILE=str(file), GATEHOUSE_METRICS_TOKEN_FILE=str(token))

    assert settings.database_url == "postgresql+psycopg://u:p@db/gatehouse"
    assert settings.metrics_token == "a long token of the metrics"


@pytest.mark.requirement("CF-02")
def test_settings_must_not_be_set_twice(tmp_path):
    file = tmp_path / "secret"
    file.write_text(key(5))

    problems = read_problems(GATEHOUSE_SECRET_KEYS_FILE=str(file))

    assert problems == [
        "GATEHOUSE_SECRET_KEYS is set twice: unset it or GATEHOUSE_SECRET_KEYS_FILE."
    ]


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize("kind", ["missing", "folder", "binary"])
def test_settings_files_must_be_readable_text(tmp_path, kind):
    file = tmp_path / kind
    if kind == "folder":
        file.mkdir()
    if kind == "binary":
        file.write_bytes(b"\xff\xfe")

    problems = read_problems(GATEHOUSE_SECRET_KEYS=None, GATEHOUSE_SECRET_KEYS_FILE=str(file))

    assert problems == ["GATEHOUSE_SECRET_KEYS_FILE must name a readable text file."]
