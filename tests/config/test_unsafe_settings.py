"""Unsafe and contradictory settings stop the start, each with a sentence that says what to do."""

import pytest

from tests.config.conftest import read_problems, read_settings


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"GATEHOUSE_PUBLIC_URL": None}, "GATEHOUSE_PUBLIC_URL is missing; set it to https://"),
        (
            {"GATEHOUSE_PUBLIC_URL": "http://id.example.com"},
            "GATEHOUSE_PUBLIC_URL must start with https:// in production.",
        ),
        ({"GATEHOUSE_DEV_FIXED_CODES": "ann@example.com=12345678"}, "Unset GATEHOUSE_DEV_FIXED_"),
        (
            {"GATEHOUSE_FRONTEND_URL": "http://app.example.com"},
            "GATEHOUSE_FRONTEND_URL must start with https:// in production.",
        ),
        ({"GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL": "true"}, "Unset the UNSAFE and INSECURE"),
        ({"GATEHOUSE_INSECURE_DEVELOPMENT_ON_NETWORK": "on"}, "Unset the UNSAFE and INSECURE"),
        ({"GATEHOUSE_BCRYPT_COST": "11"}, "GATEHOUSE_BCRYPT_COST must be at least 12"),
        ({"GATEHOUSE_METRICS_TOKEN": "x" * 19}, "GATEHOUSE_METRICS_TOKEN must have at least 20"),
        ({"SMTP_URL": "smtps://mail.example.com"}, "GATEHOUSE_MAIL_FROM is missing; SMTP_URL"),
        (
            {
                "GATEHOUSE_SMS_GATEWAY": "twilio,vonage,messagebird",
                "GATEHOUSE_SMS_SECRET": "one,two",
            },
            "GATEHOUSE_SMS_ACCOUNT, _SECRET and _FROM need a value for each gateway",
        ),
        ({"GATEHOUSE_CAPTCHA": "hcaptcha"}, "GATEHOUSE_CAPTCHA_SITE_KEY and _SECRET are needed"),
        (
            {"GATEHOUSE_CAPTCHA": "turnstile", "GATEHOUSE_CAPTCHA_SITE_KEY": "k"},
            "GATEHOUSE_CAPTCHA_SITE_KEY and _SECRET are needed for turnstile.",
        ),
        ({"GATEHOUSE_MFA_RESET_DELAY": "3599"}, "GATEHOUSE_MFA_RESET_DELAY must be at least 3600"),
        ({"GATEHOUSE_ENV": "prod"}, "GATEHOUSE_ENV must be one of production, development."),
    ],
)
def test_settings_that_are_unsafe_in_production_stop_the_start(changes, sentence):
    [problem] = read_problems(**changes)

    assert problem.startswith(sentence)


@pytest.mark.requirement("CF-02")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"GATEHOUSE_ALLOWED_ORIGINS": "https://a.example.com, http://b.example.com"},
            "GATEHOUSE_ALLOWED_ORIGINS must start with https:// in production, localhost aside.",
        ),
        (
            {"GATEHOUSE_AUDIENCE": "https://id.example.com/auth/refresh"},
            "GATEHOUSE_AUDIENCE is the audience of refresh tokens; choose another.",
        ),
        (
            {"GATEHOUSE_SESSION_IDLE_TIMEOUT": "3601", "GATEHOUSE_SESSION_LIFETIME": "3600"},
            "GATEHOUSE_SESSION_IDLE_TIMEOUT must not be longer than GATEHOUSE_SESSION_LIFETIME.",
        ),
        (
            {"GATEHOUSE_SESSION_IDLE_TIMEOUT": "599"},
            "GATEHOUSE_ACCESS_TOKEN_LIFETIME must not be longer than "
            "GATEHOUSE_SESSION_IDLE_TIMEOUT.",
        ),
        (
            {"GATEHOUSE_REFRESH_REUSE_INTERVAL": "31", "GATEHOUSE_ACCESS_TOKEN_LIFETIME": "30"},
            "GATEHOUSE_REFRESH_REUSE_INTERVAL must not be longer than "
            "GATEHOUSE_ACCESS_TOKEN_LIFETIME.",
        ),
        *(
            (
                {"GATEHOUSE_PASSKEY_RP_ID": domain},
                "GATEHOUSE_PASSKEY_RP_ID must be the host of GATEHOUSE_PUBLIC_URL, "
                "or a parent of it.",
            )
            for domain in ("example.org", "app.id.example.com", "d.example.com", "example.com:443")
        ),
        *(
            (
                {f"GATEHOUSE_PASSKEY_{name}": "https://a.example.com, http://b.example.com"},
                "The origins of GATEHOUSE_PASSKEY_... must start with https:// in production.",
            )
            for name in ("ORIGINS", "TOP_ORIGINS")
        ),
        (
            {"GATEHOUSE_PASSKEY_ALLOWED_AAGUIDS": "2fc0579f-8113-47ea-b116-bb5a8db9202a"},
            "GATEHOUSE_PASSKEY_ALLOWED_AAGUIDS needs GATEHOUSE_PASSKEY_ATTESTATION_ROOTS.",
        ),
    ],
)
def test_settings_that_contradict_each_other_stop_the_start(changes, sentence):
    assert read_problems(**changes) == [sentence]


CONSISTENT = [
    {"GATEHOUSE_ALLOWED_ORIGINS": "http://localhost:3000,http://127.0.0.1,http://[::1]:80"},
    {"GATEHOUSE_AUDIENCE": "https://id.example.com/auth"},
    {"GATEHOUSE_SESSION_IDLE_TIMEOUT": "3600", "GATEHOUSE_SESSION_LIFETIME": "3600"},
    {"GATEHOUSE_SESSION_LIFETIME": "3600"},  # the default idle timeout is longer
    {"GATEHOUSE_SESSION_IDLE_TIMEOUT": "600"},
    {"GATEHOUSE_REFRESH_REUSE_INTERVAL": "30", "GATEHOUSE_ACCESS_TOKEN_LIFETIME": "30"},
    {"GATEHOUSE_TRUSTED_HOPS": "1", "GATEHOUSE_HOST": "127.0.0.1"},
    {"GATEHOUSE_PASSKEY_RP_ID": "example.com"},
    {"GATEHOUSE_PASSKEY_RP_ID": "id.example.com"},
]


def test_settings_that_are_consistent_are_accepted():
    for changes in CONSISTENT:
        assert read_settings(**changes), changes


def test_settings_that_are_invalid_are_not_reported_as_contradictions():
    names = [
        "SESSION_IDLE_TIMEOUT",
        "SESSION_LIFETIME",
        "ACCESS_TOKEN_LIFETIME",
        "REFRESH_REUSE_INTERVAL",
    ]
    names += ["ALLOWED_ORIGINS", "BCRYPT_COST"]

    problems = read_problems(**{f"GATEHOUSE_{name}": "?" for name in names})

    assert len(problems) == len(names)


@pytest.mark.requirement("CF-02")
def test_settings_problems_are_all_reported_together():
    problems = read_problems(
        GATEHOUSE_PUBLIC_URL="http://id.example.com",
        GATEHOUSE_SECRET_KEYS=None,
        GATEHOUSE_ENCRYPTION_KEYS="k1:short",
        GATEHOUSE_WORKERS="many",
        GATEHOUSE_BCRYPT_COST="4",
        GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL="true",
        GATEHOUSE_BCRYPT_COSTS="12",
        GATEHOUSE_METRICS_TOKEN="short",
        DATABASE_URL="mysql://db",
    )

    assert len(problems) == 9
    assert all(sentence.endswith((".", "?", '"')) for sentence in problems)
