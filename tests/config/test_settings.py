"""An unsafe start is refused: one sentence for each mistake, and all of them at once."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
import trustme

from gatehouse.settings.mail import MailServer
from tests.config.conftest import complaints, read

# Production


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
def test_production_refuses_what_is_unsafe(changes, sentence):
    [told] = complaints(**changes)

    assert told.startswith(sentence)


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
            "GATEHOUSE_AUDIENCE is that of the refresh tokens; choose another.",
        ),
        (
            {"GATEHOUSE_SESSION_IDLE": "3601", "GATEHOUSE_SESSION_LIFETIME": "3600"},
            "GATEHOUSE_SESSION_IDLE must not be longer than GATEHOUSE_SESSION_LIFETIME.",
        ),
        (
            {"GATEHOUSE_SESSION_IDLE": "599"},
            "GATEHOUSE_ACCESS_TOKEN_LIFETIME must not be longer than GATEHOUSE_SESSION_IDLE.",
        ),
        (
            {"GATEHOUSE_REFRESH_GRACE": "31", "GATEHOUSE_ACCESS_TOKEN_LIFETIME": "30"},
            "GATEHOUSE_REFRESH_GRACE must not be longer than GATEHOUSE_ACCESS_TOKEN_LIFETIME.",
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
            {"GATEHOUSE_PASSKEY_MODELS": "2fc0579f-8113-47ea-b116-bb5a8db9202a"},
            "GATEHOUSE_PASSKEY_MODELS needs GATEHOUSE_PASSKEY_ROOTS.",
        ),
    ],
)
def test_settings_that_cannot_be_meant_together_are_refused(changes, sentence):
    assert complaints(**changes) == [sentence]


@pytest.mark.parametrize(
    "changes",
    [
        {"GATEHOUSE_ALLOWED_ORIGINS": "http://localhost:3000,http://127.0.0.1,http://[::1]:80"},
        {"GATEHOUSE_AUDIENCE": "https://id.example.com/auth"},
        {"GATEHOUSE_SESSION_IDLE": "3600", "GATEHOUSE_SESSION_LIFETIME": "3600"},
        {"GATEHOUSE_SESSION_LIFETIME": "3600"},  # the idle limit that nobody chose gives way
        {"GATEHOUSE_SESSION_IDLE": "600"},
        {"GATEHOUSE_REFRESH_GRACE": "30", "GATEHOUSE_ACCESS_TOKEN_LIFETIME": "30"},
        {"GATEHOUSE_TRUSTED_HOPS": "1", "GATEHOUSE_HOST": "127.0.0.1"},
        {"GATEHOUSE_PASSKEY_RP_ID": "example.com"},
        {"GATEHOUSE_PASSKEY_RP_ID": "id.example.com"},
    ],
)
def test_what_can_be_meant_is_no_contradiction(changes):
    assert read(**changes)


def test_a_setting_that_cannot_be_read_contradicts_nothing_else():
    names = ["SESSION_IDLE", "SESSION_LIFETIME", "ACCESS_TOKEN_LIFETIME", "REFRESH_GRACE"]
    names += ["ALLOWED_ORIGINS", "BCRYPT_COST"]

    told = complaints(**{f"GATEHOUSE_{name}": "?" for name in names})

    assert len(told) == len(names)


def test_production_is_what_one_gets_by_saying_nothing():
    settings = read()

    assert not settings.development
    assert settings.host == "0.0.0.0"
    assert settings.bcrypt_cost == 12
    assert settings.rate_limits
    policies = {settings.captcha_register, settings.captcha_forgot, settings.captcha_login}
    assert (settings.captcha, policies) == ("altcha", {"after_failures"})
    assert not settings.unsafe_allow_unverified_email


@pytest.mark.requirement("CF-02")
def test_all_mistakes_are_told_at_once():
    told = complaints(
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

    assert len(told) == 9
    assert all(sentence.endswith((".", "?", '"')) for sentence in told)


# Names and values


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("GATEHOUSE_BCRYPT_COSTS", "GATEHOUSE_BCRYPT_COST"),
        ("GATEHOUSE_SECRET_KEY", "GATEHOUSE_SECRET_KEYS"),
        ("GATEHOUSE_PUBLIC_URI", "GATEHOUSE_PUBLIC_URL"),
        ("GATEHOUSE_SECRET_KEYS_FILES", "GATEHOUSE_SECRET_KEYS_FILE"),
        ("GATEHOUSE_DATABASE_URL", "DATABASE_URL"),
        ("GATEHOUSE_PORT", "PORT"),
    ],
)
def test_an_unknown_name_stops_the_start_with_the_nearest_known_one(name, nearest):
    assert complaints(**{name: "x"}) == [f"{name} is not a setting; did you mean {nearest}?"]


def test_names_that_are_not_ours_are_nobodys_business():
    assert read(HOME="/root", DATABASE="x", SECRET_KEYS="x", FLASK_DEBUG="1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "80a"),
        ("PORT", "-1"),
        ("PORT", "\u0668\u0660"),
        ("GATEHOUSE_WORKERS", "0"),
        ("GATEHOUSE_THREADS", "1e3"),
        ("GATEHOUSE_TRUSTED_HOPS", "9"),
        ("GATEHOUSE_BCRYPT_COST", "17"),
        ("GATEHOUSE_REFRESH_GRACE", "61"),
        ("GATEHOUSE_ACCESS_TOKEN_LIFETIME", "901"),
        ("GATEHOUSE_SESSION_IDLE", "59"),
        ("GATEHOUSE_SESSION_LIFETIME", "2592001"),
        ("GATEHOUSE_RATE_LIMITS", "maybe"),
        ("GATEHOUSE_RATE_LIMITS", "1"),
        ("GATEHOUSE_SIGNING_ALGORITHM", "HS256"),
        ("GATEHOUSE_SIGNING_ALGORITHM", "none"),
        ("GATEHOUSE_PASSWORD_HASHER", "md5"),
        ("GATEHOUSE_PUBLIC_URL", "id.example.com"),
        ("GATEHOUSE_PUBLIC_URL", "ftp://id.example.com"),
        ("GATEHOUSE_PUBLIC_URL", "https://id.example.com/auth"),
        ("GATEHOUSE_PUBLIC_URL", "https://user@id.example.com"),
        ("GATEHOUSE_PUBLIC_URL", "https://id.example.com:port"),
        ("GATEHOUSE_PUBLIC_URL", "https://[::1"),
        ("GATEHOUSE_PUBLIC_URL", "https://"),
        ("GATEHOUSE_ALLOWED_ORIGINS", "*"),
        ("GATEHOUSE_ALLOWED_ORIGINS", "null"),
        ("GATEHOUSE_ALLOWED_ORIGINS", "https://app.example.com, app.example.com"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "https://sms.internal"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "*.internal"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "sms.internal:"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "sms.internal:port"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "somebody@sms.internal"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "sms.internal/path"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "10.0.0.1/8"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "10.0.0.0/33"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "sms.internal, 0.0.0.0/0"),
        ("GATEHOUSE_OUTBOUND_ALLOWED", "::/0"),
        ("GATEHOUSE_OUTBOUND_CA", "x"),
        ("GATEHOUSE_GEOIP", "/nowhere/places.mmdb"),
        ("GATEHOUSE_GEOIP", "/"),
        ("GATEHOUSE_RISK_POLICY", "/nowhere/policy.toml"),
        ("GATEHOUSE_BAD_NETWORKS", "192.0.2.0/33"),
        ("GATEHOUSE_BAD_NETWORKS", "192.0.2.1/24"),
        ("GATEHOUSE_BAD_NETWORKS", "192.0.2.0/24, ::/0"),
        ("GATEHOUSE_BAD_NETWORKS", "example.com"),
        ("GATEHOUSE_OUTBOUND_CA", "\u00e9"),
        ("GATEHOUSE_DEFAULT_LOCALE", "tlh"),
        ("GATEHOUSE_TEMPLATES", "/nowhere/at/all"),
        ("GATEHOUSE_FRONTEND_URL", "app.example.com"),
        ("GATEHOUSE_FRONTEND_URL", "ftp://app.example.com"),
        ("GATEHOUSE_FRONTEND_URL", "https://app.example.com/#/login"),
        ("GATEHOUSE_FRONTEND_URL", "https://app.example.com/?page=1"),
        ("GATEHOUSE_FRONTEND_URL", "https://ann@app.example.com"),
        ("GATEHOUSE_DEV_FIXED_CODES", "ann@example.com"),
        ("GATEHOUSE_DEV_FIXED_CODES", "ann@example.com=123"),
        ("GATEHOUSE_DEV_FIXED_CODES", "=12345678"),
        ("DATABASE_URL", "mysql://u:p@db/gatehouse"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "postgresql://u:p@db:port/gatehouse"),
        ("SMTP_URL", "mail.example.com:587"),
        ("SMTP_URL", "http://mail.example.com"),
        ("SMTP_URL", "smtp://"),
        ("SMTP_URL", "smtp://mail.example.com:port"),
        ("SMTP_URL", "smtp://user@mail.example.com"),
        ("SMTP_URL", "smtp://:password@mail.example.com"),
        ("SMTP_URL", "smtp://user:pass%0d%0aword@mail.example.com"),
        ("SMTP_URL", "smtp://mail.example.com/path"),
        ("SMTP_URL", "smtp://user:pass/word@mail.example.com"),
        ("SMTP_URL", "smtp://mail.example.com?tls=no"),
        ("SMTP_URL", "smtp://mail example.com"),
        ("SMTP_URL", "insecure-smtp://mail.example.com"),
        ("SMTP_URL", "insecure-smtp://10.0.0.1"),
        ("SMTP_URL", "insecure-smtp://user:password@localhost"),
        ("GATEHOUSE_MAIL_FROM", "nobody"),
        ("GATEHOUSE_MAIL_FROM", "Us <us@example.com>, eve@example.com"),
        ("GATEHOUSE_MAIL_FROM", "Us\r\nBcc: eve@example.com <us@example.com>"),
        ("GATEHOUSE_MAIL_FROM", "\u00fcs@example.com"),
        ("GATEHOUSE_MAIL_CHANNELS", "smtp;console"),
        ("GATEHOUSE_MAIL_CHANNELS", ","),
        ("GATEHOUSE_SMS_CHANNELS", "../console"),
        ("GATEHOUSE_SMS_GATEWAY", "/etc/passwd"),
        ("GATEHOUSE_SMS_PREFIX_BUDGET", "0"),
        ("REDIS_URL", "http://redis"),
        ("REDIS_URL", "redis://redis:port/0"),
    ],
)
def test_a_value_that_cannot_be_is_refused(name, value):
    [told] = complaints(**{name: value})

    assert told.startswith(f"{name} must ")
    assert told.endswith(".")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_platforms_may_call_postgresql_what_they_like(scheme):
    settings = read(DATABASE_URL=f"{scheme}://u:p%40ss@db:5433/gatehouse?sslmode=require")

    assert settings.database_url == (
        "postgresql+psycopg://u:p%40ss@db:5433/gatehouse?sslmode=require"
    )


def test_nothing_that_is_not_public_is_called_unless_somebody_says_so():
    settings = read()

    assert settings.outbound_allowed == ()
    assert settings.outbound_ca == ""


def test_who_may_be_called_is_a_list_of_hosts_and_networks():
    allowed = " SMS.Internal, captcha.internal.:8080,10.0.0.0/8 , 192.0.2.7, fd00::/8,[::1]:8443,"

    settings = read(GATEHOUSE_OUTBOUND_ALLOWED=allowed)

    assert settings.outbound_allowed == (
        ("sms.internal", None),
        ("captcha.internal", 8080),
        ip_network("10.0.0.0/8"),
        ip_network("192.0.2.7/32"),
        ip_network("fd00::/8"),
        ("::1", 8443),
    )


def test_as_shipped_no_network_is_bad_and_nobody_knows_where_an_address_is():
    settings = read()

    assert settings.bad_networks == ()
    assert settings.geoip == settings.risk_policy == ""


def test_bad_networks_are_read_as_lists_of_them_are_published(tmp_path):
    lines = "# a list\n192.0.2.0/24\n198.51.100.7 # one address\n\n2001:db8::/32,203.0.113.0/24\n"
    (tmp_path / "bad.txt").write_text(lines)

    settings = read(GATEHOUSE_BAD_NETWORKS_FILE=str(tmp_path / "bad.txt"))

    names = ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "203.0.113.0/24"]
    assert settings.bad_networks == tuple(ip_network(name) for name in names)


def test_the_authorities_of_other_servers_are_certificates():
    pem = trustme.CA().cert_pem.bytes().decode()

    assert read(GATEHOUSE_OUTBOUND_CA=pem).outbound_ca == pem.strip()


def test_mail_servers_are_read_in_their_order_with_passwords_that_nobody_sees():
    given = "smtp://gate%40house:p%2Fa%2Css@mail.example.com, smtps://[2001:db8::1],"
    settings = read(SMTP_URL=given, GATEHOUSE_MAIL_FROM="A, B <no-reply@b\u00fccher.example>")

    first, second = settings.smtp_url
    assert first == MailServer("smtp", "mail.example.com", 587, "gate@house", "p/a,ss")
    assert second == MailServer("smtps", "2001:db8::1", 465)
    assert "p/a,ss" not in repr(settings) + repr(first)
    assert str(settings.mail_from) == '"A, B" <no-reply@xn--bcher-kva.example>'
    assert (settings.mail_channels, settings.sms_channels) == (("smtp",), ())


def test_plain_mail_reaches_no_other_machine_and_is_for_development():
    url = {"SMTP_URL": "insecure-smtp://127.0.0.1:1025"}

    assert read(**url, GATEHOUSE_ENV="development").smtp_url[0].port == 1025
    assert complaints(**url, GATEHOUSE_MAIL_FROM="us@example.com") == [
        "SMTP_URL must start with smtp:// or smtps:// in production: both of them encrypt."
    ]


def test_values_are_read_as_their_types():
    settings = read(
        GATEHOUSE_PUBLIC_URL="https://ID.example.com/",
        GATEHOUSE_ALLOWED_ORIGINS=" https://app.example.com , http://localhost:3000,",
        GATEHOUSE_REFRESH_GRACE="0",
        GATEHOUSE_RATE_LIMITS="Off",
        GATEHOUSE_WORKERS=" 4 ",
        PORT="8080",
    )

    assert settings.public_url == settings.audience == "https://id.example.com"
    assert settings.allowed_origins == ("https://app.example.com", "http://localhost:3000")
    assert settings.refresh_grace == timedelta(0)
    assert settings.rate_limits is False
    assert (settings.workers, settings.port) == (4, 8080)


def test_passkeys_belong_to_the_host_of_the_public_url_and_to_its_pages():
    settings = read()

    assert settings.passkey_rp_id == "id.example.com"
    assert settings.passkey_origins == settings.passkey_top_origins == ()
    assert (settings.passkey_roots, settings.passkey_models) == ("", ())


def test_passkeys_are_used_by_other_sites_and_by_apps_of_the_settings():
    app = f"android:apk-key-hash:{'a' * 43}"

    settings = read(GATEHOUSE_PASSKEY_ORIGINS=f"https://shop.example/, {app}")

    assert settings.passkey_origins == ("https://shop.example", app)
    assert complaints(GATEHOUSE_PASSKEY_ORIGINS="android:apk-key-hash:short")


def test_models_of_authenticators_have_one_spelling():
    [told] = complaints(GATEHOUSE_PASSKEY_MODELS="YubiKey 5")
    with_roots = {"GATEHOUSE_PASSKEY_ROOTS": trustme.CA().cert_pem.bytes().decode()}

    settings = read(GATEHOUSE_PASSKEY_MODELS="2FC0579F811347EAB116BB5A8DB9202A", **with_roots)

    assert told.startswith("GATEHOUSE_PASSKEY_MODELS must be AAGUIDs")
    assert settings.passkey_models == ("2fc0579f-8113-47ea-b116-bb5a8db9202a",)


def test_an_owner_has_a_day_to_stop_a_reset_unless_the_operator_says_otherwise():
    assert read().mfa_reset_delay == timedelta(days=1)
    assert read(GATEHOUSE_MFA_RESET_DELAY="3600").mfa_reset_delay == timedelta(hours=1)
