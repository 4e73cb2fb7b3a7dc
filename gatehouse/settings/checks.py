"""Check settings that are unsafe or contradict each other; each check returns a sentence, or "".

A setting that could not be parsed is None and already reported: a check accepts it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")
DEFAULT_IDLE_TIMEOUT = timedelta(days=14)

SettingsLike = Any
"""`config.Settings`, which this package cannot import."""


def _public_url(settings: SettingsLike) -> str:
    if settings.public_url is None:
        return ""
    if not settings.public_url:
        return (
            "GATEHOUSE_PUBLIC_URL is missing; set it to https://auth.example.com or the like. "
            "Beside `make run`, set GATEHOUSE_ENV=development instead."
        )
    plain = not settings.development and settings.public_url.startswith("http:")
    return "GATEHOUSE_PUBLIC_URL must start with https:// in production." if plain else ""


def _shared_keys(settings: SettingsLike) -> str:
    rings = (settings.secret_keys, settings.encryption_keys, settings.password_peppers)
    keys = [key for ring in rings if ring for key in ring.keys.values()]
    shared = len(set(keys)) < len(keys)
    return "The same key is in two of the key rings; give each ring its own." if shared else ""


def _unsafe_options(settings: SettingsLike) -> str:
    enabled = settings.unsafe_allow_unverified_email or settings.insecure_development_on_network
    if settings.development or not enabled:
        return ""
    return "Unset the UNSAFE and INSECURE settings: they are for development only."


def _development_on_network(settings: SettingsLike) -> str:
    local = settings.host in LOOPBACK_ADDRESSES or settings.insecure_development_on_network
    if local or not settings.development:
        return ""
    return (
        "Development listens on 127.0.0.1 only; unset GATEHOUSE_HOST, "
        "or set GATEHOUSE_INSECURE_DEVELOPMENT_ON_NETWORK=true."
    )


def _low_bcrypt_cost(settings: SettingsLike) -> str:
    low = (settings.bcrypt_cost or 12) < 12 and not settings.development
    return "GATEHOUSE_BCRYPT_COST must be at least 12 in production." if low else ""


def _short_metrics_token(settings: SettingsLike) -> str:
    short = 0 < len(settings.metrics_token) < 20
    return "GATEHOUSE_METRICS_TOKEN must have at least 20 characters." if short else ""


def _insecure_origins(settings: SettingsLike) -> str:
    """A page without TLS cannot use `Secure` cookies, and its traffic can be modified."""
    plain = [urlsplit(o).hostname for o in settings.allowed_origins or () if o.startswith("http:")]
    if settings.development or all(host in ("localhost", *LOOPBACK_ADDRESSES) for host in plain):
        return ""
    return "GATEHOUSE_ALLOWED_ORIGINS must start with https:// in production, localhost aside."


def _insecure_frontend_url(settings: SettingsLike) -> str:
    """A link that contains a secret must not be sent unencrypted."""
    plain = (settings.frontend_url or "").startswith("http:") and not settings.development
    return "GATEHOUSE_FRONTEND_URL must start with https:// in production." if plain else ""


def _no_pages_for_links(settings: SettingsLike) -> str:
    if settings.pages is not False or settings.frontend_url != "":
        return ""
    return "GATEHOUSE_PAGES=off needs GATEHOUSE_FRONTEND_URL, to which the links in mails lead."


def _fixed_codes(settings: SettingsLike) -> str:
    unsafe = settings.dev_fixed_codes and not settings.development
    return "Unset GATEHOUSE_DEV_FIXED_CODES: it is for development only." if unsafe else ""


def _refresh_token_audience(settings: SettingsLike) -> str:
    same = settings.audience and settings.audience == f"{settings.public_url}/auth/refresh"
    return "GATEHOUSE_AUDIENCE is the audience of refresh tokens; choose another." if same else ""


def _idle_timeout_exceeds_lifetime(settings: SettingsLike) -> str:
    if not settings.session_idle_timeout or not settings.session_lifetime:
        return ""
    if settings.session_idle_timeout <= settings.session_lifetime:
        return ""
    if settings.session_idle_timeout == DEFAULT_IDLE_TIMEOUT:  # the lifetime then ends sessions
        return ""
    return "GATEHOUSE_SESSION_IDLE_TIMEOUT must not be longer than GATEHOUSE_SESSION_LIFETIME."


def _access_token_outlives_session(settings: SettingsLike) -> str:
    if not settings.access_token_lifetime or not settings.session_idle_timeout:
        return ""
    if settings.access_token_lifetime <= settings.session_idle_timeout:
        return ""
    return "GATEHOUSE_ACCESS_TOKEN_LIFETIME must not be longer than GATEHOUSE_SESSION_IDLE_TIMEOUT."


def _reuse_interval_outlives_token(settings: SettingsLike) -> str:
    """Within the interval a stolen token looks like a retry: limit that to one refresh, not two."""
    if settings.refresh_reuse_interval is None or not settings.access_token_lifetime:
        return ""
    if settings.refresh_reuse_interval <= settings.access_token_lifetime:
        return ""
    return (
        "GATEHOUSE_REFRESH_REUSE_INTERVAL must not be longer than GATEHOUSE_ACCESS_TOKEN_LIFETIME."
    )


def _unencrypted_smtp(settings: SettingsLike) -> str:
    plain = [server for server in settings.smtp_url or () if server.scheme == "insecure-smtp"]
    if settings.development or settings.insecure_plaintext_mail or not plain:
        return ""
    return (
        "SMTP_URL must start with smtp:// or smtps:// in production: both of them encrypt. If"
        " nothing but your own relay can read the mails on their way, set"
        " GATEHOUSE_INSECURE_PLAINTEXT_MAIL=true."
    )


def _missing_mail_sender(settings: SettingsLike) -> str:
    missing = settings.smtp_url and settings.mail_from == ""
    return "GATEHOUSE_MAIL_FROM is missing; SMTP_URL needs a sender." if missing else ""


def _values_for_each_gateway(settings: SettingsLike) -> str:
    """With one gateway a value may contain commas; with several it is a list, or shared by all."""
    gateways = len(settings.sms_gateway or ())
    values = (settings.sms_account, settings.sms_secret, settings.sms_from)
    if gateways < 2 or all(len(value.split(",")) in (1, gateways) for value in values):
        return ""
    return "GATEHOUSE_SMS_ACCOUNT, _SECRET and _FROM need a value for each gateway, or one for all."


def _captcha_without_keys(settings: SettingsLike) -> str:
    policies = {settings.captcha_register, settings.captcha_password_reset, settings.captcha_login}
    if settings.captcha in (None, "altcha") or policies == {"off"}:
        return ""
    if settings.captcha_site_key and settings.captcha_secret:
        return ""
    return f"GATEHOUSE_CAPTCHA_SITE_KEY and _SECRET are needed for {settings.captcha}."


def _rp_id_mismatch(settings: SettingsLike) -> str:
    """Browsers accept only the page's own domain or a parent of it (WebAuthn section 5.1.3)."""
    if not settings.passkey_rp_id or not settings.public_url:
        return ""
    host = urlsplit(settings.public_url).hostname or ""
    if host == settings.passkey_rp_id or host.endswith(f".{settings.passkey_rp_id}"):
        return ""
    return "GATEHOUSE_PASSKEY_RP_ID must be the host of GATEHOUSE_PUBLIC_URL, or a parent of it."


def _insecure_passkey_origins(settings: SettingsLike) -> str:
    origins = (*(settings.passkey_origins or ()), *(settings.passkey_top_origins or ()))
    plain = [urlsplit(o).hostname for o in origins if o.startswith("http:")]
    if settings.development or all(host == "localhost" for host in plain):
        return ""
    return "The origins of GATEHOUSE_PASSKEY_... must start with https:// in production."


def _aaguids_without_attestation(settings: SettingsLike) -> str:
    """An authenticator's model can be forged unless a certificate attests it."""
    if not settings.passkey_allowed_aaguids or settings.passkey_attestation_roots != "":
        return ""
    return "GATEHOUSE_PASSKEY_ALLOWED_AAGUIDS needs GATEHOUSE_PASSKEY_ATTESTATION_ROOTS."


def _short_mfa_reset_delay(settings: SettingsLike) -> str:
    """A user who is notified of the reset needs time to cancel it."""
    if settings.mfa_reset_delay is None or settings.development:
        return ""
    short = settings.mfa_reset_delay < timedelta(hours=1)
    return "GATEHOUSE_MFA_RESET_DELAY must be at least 3600 in production." if short else ""


def _pooler_without_postgresql(settings: SettingsLike) -> str:
    url = settings.database_url or "postgresql"
    pooled = settings.database_pooler == "transaction"
    if url.startswith("postgresql") or not (pooled or settings.migration_database_url):
        return ""
    name = "GATEHOUSE_DATABASE_POOLER" if pooled else "GATEHOUSE_MIGRATION_DATABASE_URL"
    return f"{name} needs PostgreSQL, but DATABASE_URL names a SQLite file."


CHECKS: tuple[Callable[[SettingsLike], str], ...] = (
    _public_url,
    _shared_keys,
    _unsafe_options,
    _development_on_network,
    _low_bcrypt_cost,
    _short_metrics_token,
    _insecure_origins,
    _insecure_frontend_url,
    _no_pages_for_links,
    _fixed_codes,
    _refresh_token_audience,
    _idle_timeout_exceeds_lifetime,
    _access_token_outlives_session,
    _reuse_interval_outlives_token,
    _unencrypted_smtp,
    _missing_mail_sender,
    _values_for_each_gateway,
    _captcha_without_keys,
    _rp_id_mismatch,
    _insecure_passkey_origins,
    _aaguids_without_attestation,
    _short_mfa_reset_delay,
    _pooler_without_postgresql,
)
