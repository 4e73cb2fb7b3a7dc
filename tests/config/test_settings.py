"""Settings: parsing, defaults, and the sentence for each mistake that stops the start."""

from dataclasses import fields
from datetime import timedelta
from ipaddress import ip_network

import trustme

from config import Settings
from gatehouse.settings.loader import RENAMED_SETTINGS, environment_name
from gatehouse.settings.mail import SmtpServer
from gatehouse.settings.service_links import service_links
from tests.config.conftest import read_problems, read_settings


def test_settings_default_to_those_of_production():
    settings = read_settings()

    assert not settings.development
    assert settings.host == "0.0.0.0"
    assert settings.bcrypt_cost == 12
    assert settings.rate_limits
    policies = {settings.captcha_register, settings.captcha_password_reset, settings.captcha_login}
    assert (settings.captcha, policies) == ("altcha", {"after_failures"})
    assert not settings.unsafe_allow_unverified_email


# Names and values


def test_settings_with_unknown_names_stop_the_start_with_the_closest_known_one():
    cases = {
        "GATEHOUSE_BCRYPT_COSTS": "GATEHOUSE_BCRYPT_COST",
        "GATEHOUSE_SECRET_KEY": "GATEHOUSE_SECRET_KEYS",
        "GATEHOUSE_PUBLIC_URI": "GATEHOUSE_PUBLIC_URL",
        "GATEHOUSE_SECRET_KEYS_FILES": "GATEHOUSE_SECRET_KEYS_FILE",
        "GATEHOUSE_DATABASE_URL": "DATABASE_URL",
        "GATEHOUSE_PORT": "PORT",
    }

    for name, closest in cases.items():
        expected = f"{name} is not a setting; did you mean {closest}?"
        assert read_problems(**{name: "x"}) == [expected]


def test_settings_with_old_names_stop_the_start_with_the_new_one():
    names = {environment_name(field.name) for field in fields(Settings)}

    for old, new in RENAMED_SETTINGS.items():
        assert new in names
        assert old not in names
        for suffix in ("", "_FILE"):
            problems = read_problems(**{old + suffix: "x", new + suffix: None})

            expected = f"{old}{suffix} is now called {new}{suffix}; rename it in your environment."
            assert problems == [expected]


def test_settings_ignore_what_kubernetes_and_docker_inject_and_nothing_else():
    injected = {
        "GATEHOUSE_PORT": "tcp://10.96.14.2:80",
        "GATEHOUSE_PORT_80_TCP": "tcp://10.96.14.2:80",
        "GATEHOUSE_PORT_80_TCP_PROTO": "tcp",
        "GATEHOUSE_PORT_80_TCP_PORT": "80",
        "GATEHOUSE_PORT_80_TCP_ADDR": "10.96.14.2",
        "GATEHOUSE_SERVICE_HOST": "fd00::7",
        "GATEHOUSE_SERVICE_PORT": "80",
        "GATEHOUSE_SERVICE_PORT_HTTP": "80",
        "GATEHOUSE_DB_PORT": "tcp://10.96.14.3:5432",
        "GATEHOUSE_DB_SERVICE_HOST": "10.96.14.3",
        "GATEHOUSE_DB_PORT_5432_TCP_ADDR": "10.96.14.3",
        "GATEHOUSE_NAME": "/web/gatehouse",
    }
    mistakes = {
        "GATEHOUSE_PORT": "8000",
        "GATEHOUSE_SERVICE_HOST": "auth.example.com",
        "GATEHOUSE_SERVICE_PORT": "tcp",
        "GATEHOUSE_NAME": "Example",
    }

    read_settings(**injected)
    assert service_links(injected) == sorted(injected)
    for name, value in mistakes.items():
        assert read_problems(**{name: value})[0].startswith(f"{name} is not a setting; did you")


def test_keep_alive_is_longer_behind_proxies_unless_it_is_set():
    def keep_alive(**changes):
        return read_settings(**changes).keep_alive.total_seconds()

    assert keep_alive() == 10
    assert keep_alive(GATEHOUSE_TRUSTED_HOPS="0") == 10
    assert keep_alive(GATEHOUSE_TRUSTED_HOPS="2") == 75
    assert keep_alive(GATEHOUSE_TRUSTED_HOPS="2", GATEHOUSE_KEEP_ALIVE="5") == 5


def test_settings_ignore_variables_without_our_prefix():
    assert read_settings(HOME="/root", DATABASE="x", SECRET_KEYS="x", FLASK_DEBUG="1")


INVALID_VALUES = [
    ("PORT", "0"),
    ("PORT", "65536"),
    ("PORT", "80a"),
    ("PORT", "-1"),
    ("PORT", "\u0668\u0660"),
    ("GATEHOUSE_WORKERS", "0"),
    ("GATEHOUSE_THREADS", "1e3"),
    ("GATEHOUSE_TRUSTED_HOPS", "9"),
    ("GATEHOUSE_BCRYPT_COST", "17"),
    ("GATEHOUSE_REFRESH_REUSE_INTERVAL", "61"),
    ("GATEHOUSE_ACCESS_TOKEN_LIFETIME", "901"),
    ("GATEHOUSE_SESSION_IDLE_TIMEOUT", "59"),
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
    ("GATEHOUSE_EGRESS_ALLOWLIST", "https://sms.internal"),
    ("GATEHOUSE_EGRESS_ALLOWLIST", "*.internal"),
    ("GATEHOUSE_EGRESS_ALLOWLIST", "sms.internal:"),
    ("GATEHOUSE_EGRESS_ALLOWLIST", "sms.internal:port"),
    ("GATEHOUSE_EGRESS_ALLOWLIST", "user@sms.internal"),
    ("GATEHOUSE_EGRESS_ALLOWLIST", "sms.internal/path"),
    ("GATEHOUSE_EGRESS_ALLOWLIST", "10.0.0.1/8"),
    ("GATEHOUSE_EGRESS_ALLOWLIST", "10.0.0.0/33"),
    ("GATEHOUSE_EGRESS_ALLOWLIST", "sms.internal, 0.0.0.0/0"),
    ("GATEHOUSE_EGRESS_ALLOWLIST", "::/0"),
    ("GATEHOUSE_CA_BUNDLE", "x"),
    ("GATEHOUSE_GEOIP", "/nowhere/places.mmdb"),
    ("GATEHOUSE_GEOIP", "/"),
    ("GATEHOUSE_RISK_POLICY", "/nowhere/policy.toml"),
    ("GATEHOUSE_BAD_NETWORKS", "192.0.2.0/33"),
    ("GATEHOUSE_BAD_NETWORKS", "192.0.2.1/24"),
    ("GATEHOUSE_BAD_NETWORKS", "192.0.2.0/24, ::/0"),
    ("GATEHOUSE_BAD_NETWORKS", "example.com"),
    ("GATEHOUSE_CA_BUNDLE", "\u00e9"),
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
    ("SMTP_URL", "insecure-smtp://user:password@localhost"),
    ("GATEHOUSE_MAIL_FROM", "no-email"),
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
]


def test_settings_with_invalid_values_are_reported_by_name():
    for name, value in INVALID_VALUES:
        [problem] = read_problems(**{name: value})

        assert problem.startswith(f"{name} must "), value
        assert problem.endswith("."), value


def test_database_url_may_have_any_usual_scheme_of_postgresql():
    rest = "u:p%40ss@db:5433/gatehouse?sslmode=require"

    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        settings = read_settings(DATABASE_URL=f"{scheme}://{rest}")

        assert settings.database_url == f"postgresql+psycopg://{rest}", scheme


def test_egress_is_limited_to_public_servers_by_default():
    settings = read_settings()

    assert settings.egress_allowlist == ()
    assert settings.ca_bundle == ""


def test_egress_allowlist_contains_hosts_and_networks():
    allowed = " SMS.Internal, captcha.internal.:8080,10.0.0.0/8 , 192.0.2.7, fd00::/8,[::1]:8443,"

    settings = read_settings(GATEHOUSE_EGRESS_ALLOWLIST=allowed)

    assert settings.egress_allowlist == (
        ("sms.internal", None),
        ("captcha.internal", 8080),
        ip_network("10.0.0.0/8"),
        ip_network("192.0.2.7/32"),
        ip_network("fd00::/8"),
        ("::1", 8443),
    )


def test_bad_networks_and_geoip_are_empty_by_default():
    settings = read_settings()

    assert settings.bad_networks == ()
    assert settings.geoip == settings.risk_policy == ""


def test_bad_networks_are_read_from_lists_with_comments(tmp_path):
    lines = (
        "# a list\n192.0.2.0/24\n198.51.100.7 # one IP address\n\n2001:db8::/32,203.0.113.0/24\n"
    )
    (tmp_path / "bad.txt").write_text(lines)

    settings = read_settings(GATEHOUSE_BAD_NETWORKS_FILE=str(tmp_path / "bad.txt"))

    names = ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "203.0.113.0/24"]
    assert settings.bad_networks == tuple(ip_network(name) for name in names)


def test_ca_bundle_contains_certificates():
    pem = trustme.CA().cert_pem.bytes().decode()

    assert read_settings(GATEHOUSE_CA_BUNDLE=pem).ca_bundle == pem.strip()


def test_smtp_urls_are_read_in_order_and_their_passwords_are_not_shown():
    urls = "smtp://gate%40house:p%2Fa%2Css@mail.example.com, smtps://[2001:db8::1],"
    settings = read_settings(
        SMTP_URL=urls, GATEHOUSE_MAIL_FROM="A, B <no-reply@b\u00fccher.example>"
    )

    first, second = settings.smtp_url
    assert first == SmtpServer("smtp", "mail.example.com", 587, "gate@house", "p/a,ss")
    assert second == SmtpServer("smtps", "2001:db8::1", 465)
    assert "p/a,ss" not in repr(settings) + repr(first)
    assert str(settings.mail_from) == '"A, B" <no-reply@xn--bcher-kva.example>'
    assert (settings.mail_channels, settings.sms_channels) == (("smtp",), ())


def test_smtp_without_tls_is_for_development_or_needs_the_insecure_setting():
    url = {"SMTP_URL": "insecure-smtp://mailpit:1025", "GATEHOUSE_MAIL_FROM": "us@example.com"}

    assert read_settings(**url, GATEHOUSE_ENV="development").smtp_url[0].host == "mailpit"
    [problem] = read_problems(**url)
    assert problem.startswith("SMTP_URL must start with smtp:// or smtps:// in production")
    insecure = read_settings(**url, GATEHOUSE_INSECURE_PLAINTEXT_MAIL="true")
    assert insecure.smtp_url[0].port == 1025


def test_redis_urls_of_valkey_and_of_sockets_are_those_of_the_client_library():
    urls = {
        "valkey://cache:6379/1": "redis://cache:6379/1",
        "valkeys://u:p@cache/0": "rediss://u:p@cache/0",
        "unix:///run/redis.sock?db=0": "unix:///run/redis.sock?db=0",
        "rediss://cache": "rediss://cache",
    }

    for url, expected in urls.items():
        assert read_settings(REDIS_URL=url).redis_url == expected


def test_settings_are_converted_to_their_types():
    settings = read_settings(
        GATEHOUSE_PUBLIC_URL="https://ID.example.com/",
        GATEHOUSE_ALLOWED_ORIGINS=" https://app.example.com , http://localhost:3000,",
        GATEHOUSE_REFRESH_REUSE_INTERVAL="0",
        GATEHOUSE_RATE_LIMITS="Off",
        GATEHOUSE_WORKERS=" 4 ",
        PORT="8080",
    )

    assert settings.public_url == settings.audience == "https://id.example.com"
    assert settings.allowed_origins == ("https://app.example.com", "http://localhost:3000")
    assert settings.refresh_reuse_interval == timedelta(0)
    assert settings.rate_limits is False
    assert (settings.workers, settings.port) == (4, 8080)


def test_passkey_defaults_are_the_host_of_the_public_url_and_no_other_origins():
    settings = read_settings()

    assert settings.passkey_rp_id == "id.example.com"
    assert settings.passkey_origins == settings.passkey_top_origins == ()
    assert (settings.passkey_attestation_roots, settings.passkey_allowed_aaguids) == ("", ())


def test_passkey_origins_may_be_sites_and_android_apps():
    app = f"android:apk-key-hash:{'a' * 43}"

    settings = read_settings(GATEHOUSE_PASSKEY_ORIGINS=f"https://shop.example/, {app}")

    assert settings.passkey_origins == ("https://shop.example", app)
    assert read_problems(GATEHOUSE_PASSKEY_ORIGINS="android:apk-key-hash:short")


def test_passkey_aaguids_are_normalized():
    [problem] = read_problems(GATEHOUSE_PASSKEY_ALLOWED_AAGUIDS="YubiKey 5")
    with_roots = {"GATEHOUSE_PASSKEY_ATTESTATION_ROOTS": trustme.CA().cert_pem.bytes().decode()}

    settings = read_settings(
        GATEHOUSE_PASSKEY_ALLOWED_AAGUIDS="2FC0579F811347EAB116BB5A8DB9202A", **with_roots
    )

    assert problem.startswith("GATEHOUSE_PASSKEY_ALLOWED_AAGUIDS must be AAGUIDs")
    assert settings.passkey_allowed_aaguids == ("2fc0579f-8113-47ea-b116-bb5a8db9202a",)


def test_mfa_reset_delay_is_a_day_by_default():
    assert read_settings().mfa_reset_delay == timedelta(days=1)
    assert read_settings(GATEHOUSE_MFA_RESET_DELAY="3600").mfa_reset_delay == timedelta(hours=1)
