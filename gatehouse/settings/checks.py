"""Settings that are unsafe, or that cannot be meant together: a sentence for each.

The checks also see settings of which something could not be read: None, and told already.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

LOCAL = ("127.0.0.1", "::1")
UNCHOSEN_IDLE = timedelta(days=14)


Chosen = Any
"""What was chosen: `config.Settings`, which this cellar cannot import."""


def _public_url(chosen: Chosen) -> str:
    if chosen.public_url is None:
        return ""
    if not chosen.public_url:
        return "GATEHOUSE_PUBLIC_URL is missing; set it to https://auth.example.com or the like."
    plain = not chosen.development and chosen.public_url.startswith("http:")
    return "GATEHOUSE_PUBLIC_URL must start with https:// in production." if plain else ""


def _shared_secrets(chosen: Chosen) -> str:
    rings = (chosen.secret_keys, chosen.encryption_keys, chosen.password_peppers)
    keys = [key for ring in rings if ring for key in ring.keys.values()]
    twice = len(set(keys)) < len(keys)
    return "The same key stands in two of the key rings; give each ring its own." if twice else ""


def _unsafe_switches(chosen: Chosen) -> str:
    on = chosen.unsafe_allow_unverified_email or chosen.insecure_development_on_network
    unsafe = on and not chosen.development
    return (
        "Unset the UNSAFE and INSECURE switches: they are for development only." if unsafe else ""
    )


def _development_on_network(chosen: Chosen) -> str:
    local = chosen.host in LOCAL or chosen.insecure_development_on_network
    if local or not chosen.development:
        return ""
    return (
        "Development listens on 127.0.0.1 only; unset GATEHOUSE_HOST, "
        "or set GATEHOUSE_INSECURE_DEVELOPMENT_ON_NETWORK=true."
    )


def _cheap_hash(chosen: Chosen) -> str:
    cheap = (chosen.bcrypt_cost or 12) < 12 and not chosen.development
    return "GATEHOUSE_BCRYPT_COST must be at least 12 in production." if cheap else ""


def _short_metrics_token(chosen: Chosen) -> str:
    short = 0 < len(chosen.metrics_token) < 20
    return "GATEHOUSE_METRICS_TOKEN must have at least 20 characters." if short else ""


def _plain_origins(chosen: Chosen) -> str:
    """A cookie that is `Secure` is no use to a page without TLS, and its traffic can be changed."""
    plain = [urlsplit(o).hostname for o in chosen.allowed_origins or () if o.startswith("http:")]
    if chosen.development or all(host in ("localhost", *LOCAL) for host in plain):
        return ""
    return "GATEHOUSE_ALLOWED_ORIGINS must start with https:// in production, localhost aside."


def _front_end(chosen: Chosen) -> str:
    """A link with a secret must not travel in the clear."""
    plain = (chosen.frontend_url or "").startswith("http:") and not chosen.development
    return "GATEHOUSE_FRONTEND_URL must start with https:// in production." if plain else ""


def _fixed_codes(chosen: Chosen) -> str:
    unsafe = chosen.dev_fixed_codes and not chosen.development
    return "Unset GATEHOUSE_DEV_FIXED_CODES: it is for development only." if unsafe else ""


def _audience_of_refresh_tokens(chosen: Chosen) -> str:
    same = chosen.audience and chosen.audience == f"{chosen.public_url}/auth/refresh"
    return "GATEHOUSE_AUDIENCE is that of the refresh tokens; choose another." if same else ""


def _idle_without_effect(chosen: Chosen) -> str:
    if not chosen.session_idle or not chosen.session_lifetime:
        return ""
    longer = chosen.session_idle > chosen.session_lifetime
    if not longer or chosen.session_idle == UNCHOSEN_IDLE:  # which nobody has to have meant
        return ""
    return "GATEHOUSE_SESSION_IDLE must not be longer than GATEHOUSE_SESSION_LIFETIME."


def _token_outlives_session(chosen: Chosen) -> str:
    if not chosen.access_token_lifetime or not chosen.session_idle:
        return ""
    if chosen.access_token_lifetime <= chosen.session_idle:
        return ""
    return "GATEHOUSE_ACCESS_TOKEN_LIFETIME must not be longer than GATEHOUSE_SESSION_IDLE."


def _grace_outlives_token(chosen: Chosen) -> str:
    """Within the grace a stolen token is not told from a lost answer: one refresh, never two."""
    if chosen.refresh_grace is None or not chosen.access_token_lifetime:
        return ""
    if chosen.refresh_grace <= chosen.access_token_lifetime:
        return ""
    return "GATEHOUSE_REFRESH_GRACE must not be longer than GATEHOUSE_ACCESS_TOKEN_LIFETIME."


def _plain_mail(chosen: Chosen) -> str:
    plain = [server for server in chosen.smtp_url or () if server.scheme == "insecure-smtp"]
    if chosen.development or not plain:
        return ""
    return "SMTP_URL must start with smtp:// or smtps:// in production: both of them encrypt."


def _sender_of_mail(chosen: Chosen) -> str:
    nobody = chosen.smtp_url and chosen.mail_from == ""
    return "GATEHOUSE_MAIL_FROM is missing; SMTP_URL needs a sender." if nobody else ""


def _values_for_each_gateway(chosen: Chosen) -> str:
    """One gateway takes a value as it is; of several, each has its own."""
    gateways = len(chosen.sms_gateway or ())
    values = (chosen.sms_account, chosen.sms_secret, chosen.sms_from)
    if gateways < 2 or all(len(value.split(",")) in (1, gateways) for value in values):
        return ""
    return "GATEHOUSE_SMS_ACCOUNT, _SECRET and _FROM need a value for each gateway, or one for all."


def _captcha_without_keys(chosen: Chosen) -> str:
    policies = {chosen.captcha_register, chosen.captcha_forgot, chosen.captcha_login}
    if chosen.captcha in (None, "altcha") or policies == {"off"}:
        return ""
    if chosen.captcha_site_key and chosen.captcha_secret:
        return ""
    return f"GATEHOUSE_CAPTCHA_SITE_KEY and _SECRET are needed for {chosen.captcha}."


def _foreign_rp_id(chosen: Chosen) -> str:
    """Browsers let a page use its own domain and its parents only (WebAuthn section 5.1.3)."""
    if not chosen.passkey_rp_id or not chosen.public_url:
        return ""
    host = urlsplit(chosen.public_url).hostname or ""
    if host == chosen.passkey_rp_id or host.endswith(f".{chosen.passkey_rp_id}"):
        return ""
    return "GATEHOUSE_PASSKEY_RP_ID must be the host of GATEHOUSE_PUBLIC_URL, or a parent of it."


def _plain_passkey_origins(chosen: Chosen) -> str:
    named = (*(chosen.passkey_origins or ()), *(chosen.passkey_top_origins or ()))
    plain = [urlsplit(one).hostname for one in named if one.startswith("http:")]
    if chosen.development or all(host == "localhost" for host in plain):
        return ""
    return "The origins of GATEHOUSE_PASSKEY_... must start with https:// in production."


def _unproven_models(chosen: Chosen) -> str:
    """Anybody can say that their authenticator is of some model; a certificate has to."""
    unproven = chosen.passkey_models and chosen.passkey_roots == ""
    return "GATEHOUSE_PASSKEY_MODELS needs GATEHOUSE_PASSKEY_ROOTS." if unproven else ""


def _hasty_reset(chosen: Chosen) -> str:
    """An owner who hears of it has to have time to object."""
    if chosen.mfa_reset_delay is None or chosen.development:
        return ""
    hasty = chosen.mfa_reset_delay < timedelta(hours=1)
    return "GATEHOUSE_MFA_RESET_DELAY must be at least 3600 in production." if hasty else ""


CHECKS: tuple[Callable[[Chosen], str], ...] = (
    _public_url,
    _shared_secrets,
    _unsafe_switches,
    _development_on_network,
    _cheap_hash,
    _short_metrics_token,
    _plain_origins,
    _front_end,
    _fixed_codes,
    _audience_of_refresh_tokens,
    _idle_without_effect,
    _token_outlives_session,
    _grace_outlives_token,
    _plain_mail,
    _sender_of_mail,
    _values_for_each_gateway,
    _captcha_without_keys,
    _foreign_rp_id,
    _plain_passkey_origins,
    _unproven_models,
    _hasty_reset,
)
