"""Settings: each with its type, default and description; an unsafe combination stops the start.

Only this module reads the environment, once. `docs/settings.md` is generated from `Settings`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from email.headerregistry import Address
from pathlib import Path
from typing import cast

from click import ClickException
from flask import Flask, current_app

from gatehouse.settings.branding import BrandingSettings
from gatehouse.settings.checks import CHECKS
from gatehouse.settings.code_lifetimes import CodeSettings
from gatehouse.settings.field import setting
from gatehouse.settings.gateways import GatewaySettings
from gatehouse.settings.hash_lists import hash_list
from gatehouse.settings.identity_providers import ProviderSettings
from gatehouse.settings.keyrings import KeyRing, key_ring
from gatehouse.settings.loader import SettingsLoader, unknown_settings
from gatehouse.settings.mail import (
    SmtpServer,
    channel_names,
    gateway_names,
    mail_sender,
    smtp_servers,
)
from gatehouse.settings.parsers import (
    EgressDestination,
    IpNetwork,
    aaguids,
    boolean,
    choice,
    database_url,
    domain_name,
    duration,
    egress_destinations,
    email_domains,
    file_path,
    http_url,
    integer,
    ip_networks,
    mapping,
    name_list,
    origin,
    origin_list,
    pem_certificates,
    postgresql_url,
    redis_url,
    string,
    webauthn_origins,
)
from gatehouse.settings.retention import RetentionSettings
from gatehouse.settings.route_limits import LimitSettings
from gatehouse.settings.service_links import service_links

VERSION = "0.1.0"
ROOT = Path(__file__).parent


class ConfigurationError(ClickException):
    """A setting is missing, invalid or unsafe; the message says what to change.

    Commands print the message alone, without a traceback.
    """


@dataclass(frozen=True, kw_only=True)
class Settings(
    BrandingSettings,
    LimitSettings,
    CodeSettings,
    RetentionSettings,
    GatewaySettings,
    ProviderSettings,
):
    """All settings of the service; immutable after the start."""

    env: str = setting(choice("production", "development"), "production")
    """`development` opens the developer mailbox and listens on 127.0.0.1 only."""
    data_dir: str = setting(string, "instance")
    """Folder of the SQLite database and of development's keys; by default it is beside the code."""
    host: str = setting(string)
    """IP address to listen on: 127.0.0.1 in development, 0.0.0.0 in production."""
    port: int = setting(integer(1, 65535), "8000")
    """Port to listen on."""
    workers: int = setting(integer(1, 64), "2")
    """Worker processes; one per CPU core is a good start."""
    threads: int = setting(integer(2, 128), "32")
    """Threads per worker; in a flood of logins up to 24 of them wait for a password hash."""
    public_url: str = setting(origin)
    """Origin at which users reach the service: issuer of its tokens and base of its links.
    `http://localhost:$PORT` in development; required in production, with https."""
    audience: str = setting(string)
    """`aud` claim of access tokens; by default the public URL."""
    allowed_origins: tuple[str, ...] = setting(origin_list)
    """Origins of front ends whose scripts may read responses (CORS) and send writes."""
    trusted_hops: int = setting(integer(0, 8), "0")
    """Number of your own proxies that append to `X-Forwarded-For` before a request arrives."""
    keep_alive: timedelta = setting(duration(1, 3600))
    """Connections that are idle, or whose headers are incomplete, are closed after this long; 75
    behind proxies (`GATEHOUSE_TRUSTED_HOPS`), 10 otherwise."""
    database_url: str = setting(database_url)
    """Database; by default a SQLite file in `GATEHOUSE_DATA_DIR`."""
    database_pooler: str = setting(choice("none", "transaction"), "none")
    """`transaction` if `DATABASE_URL` names PgBouncer or the like, with `pool_mode=transaction`."""
    migration_database_url: str = setting(postgresql_url)
    """The same database past the pooler, as its owner, to migrate and back up; see `running.md`."""
    redis_url: str = setting(redis_url)
    """Redis or Valkey for the counters of the rate limits; without it the database stores them."""
    secret_keys: KeyRing = setting(key_ring)
    """Keys for digests of codes, e-mail and IP addresses, and rate limit counters."""
    encryption_keys: KeyRing = setting(key_ring)
    """AES-GCM keys for secrets stored in the database."""
    password_peppers: KeyRing = setting(key_ring)
    """Keys mixed into passwords before hashing: a stolen database alone verifies no password."""
    password_hasher: str = setting(choice("bcrypt", "argon2"), "bcrypt")
    """Hash of new passwords; hashes of the other kind are still verified, and upgraded at login."""
    bcrypt_cost: int = setting(integer(4, 16), "12")
    """Cost of bcrypt; below 12 in development only."""
    breached_passwords: str = setting(hash_list)
    """Breached passwords, which are rejected as new passwords; see `passwords.md`."""
    pwned_passwords_url: str = setting(http_url)
    """Service to query for breached passwords by the first five digits of their SHA-1, such as
    `https://api.pwnedpasswords.com/range`; off by default."""
    signing_algorithm: str = setting(choice("ES256", "EdDSA", "RS256"), "ES256")
    """Algorithm of new signing keys."""
    access_token_lifetime: timedelta = setting(duration(30, 900), "600")
    """Lifetime of an access token."""
    session_idle_timeout: timedelta = setting(duration(60, 1_209_600), "1209600")
    """A session ends when it is not refreshed for this long (14 days)."""
    session_lifetime: timedelta = setting(duration(60, 2_592_000), "2592000")
    """Absolute lifetime of a session (30 days)."""
    refresh_reuse_interval: timedelta = setting(duration(0, 60), "10")
    """For this long after its use, a refresh token still returns the session's current one."""
    factors: tuple[str, ...] = setting(name_list, "totp,passkey,recovery_codes,sms,email")
    """Kinds of second factors that users can enrol, in the order in which they are offered."""
    mfa: str = setting(choice("optional", "required_for_roles", "required"), "optional")
    """Who must have a second factor; a user who must and has none enrols one at login."""
    mfa_grace_period: timedelta = setting(duration(0, 31_536_000), "1209600")
    """For this long after `GATEHOUSE_MFA` first applies to a user, the first factor is enough to
    enrol a second one (14 days, 0 for never); later it takes a code by e-mail, or an operator."""
    mfa_roles: tuple[str, ...] = setting(name_list, "admin")
    """Roles that need a second factor, with `GATEHOUSE_MFA=required_for_roles`."""
    mfa_reset_delay: timedelta = setting(duration(0, 2_592_000), "86400")
    """Time between the announcement of an MFA reset and the removal of the factors (one day); the
    user can cancel it until then."""
    registration: str = setting(choice("open", "invitation", "closed"), "open")
    """How people get an account: they sign up, or need an invitation; with `closed`, there are no
    new accounts at all, and earlier invitations do not work."""
    registration_domains: tuple[str, ...] = setting(email_domains)
    """The only domains whose e-mail addresses users can sign up with or change to; without it, all.
    Administrators can invite other addresses."""
    registration_blocked_domains: tuple[str, ...] = setting(email_domains)
    """Domains whose e-mail addresses users cannot sign up with or change to."""
    deletion_grace_period: timedelta = setting(duration(0, 31_536_000), "2592000")
    """For this long a deleted user can be restored; then the data is erased (30 days)."""
    rate_limits: bool = setting(boolean, "on")
    """`off` disables the rate limits of the routes, for measurements; never the lockout."""
    smtp_url: tuple[SmtpServer, ...] = setting(smtp_servers)
    """Mail servers to send by. `insecure-smtp://mailpit:1025`, without TLS and password, is for
    development; in production it needs `GATEHOUSE_INSECURE_PLAINTEXT_MAIL`."""
    mail_from: Address | str = setting(mail_sender)
    """Sender of mails; required in production when `SMTP_URL` is set."""
    mail_channels: tuple[str, ...] = setting(channel_names)
    """Channels for mail: `smtp` when `SMTP_URL` is set, else `console` in development."""
    sms_channels: tuple[str, ...] = setting(channel_names)
    """Channels for SMS: `sms_http` when a gateway is set, else `console` in development."""
    sms_gateway: tuple[str, ...] = setting(gateway_names)
    """SMS gateways: `twilio`, `vonage`, `messagebird`, or TOML files that describe others. With
    several, the next three settings contain a value for each, in the same order."""
    sms_account: str = setting(string)
    """Account at the SMS gateway: the account SID of Twilio, the API key of Vonage."""
    sms_secret: str = setting(string)
    """Secret of that account: the auth token, API secret or access key."""
    sms_from: str = setting(string)
    """Sender of SMS: a phone number of yours in E.164, or a name where the country allows it."""
    sms_prefix_budget: int = setting(integer(1, 1_000_000), "200")
    """SMS per hour to phone numbers with the same prefix, such as +49 151; more are not sent."""
    captcha: str = setting(choice("altcha", "hcaptcha", "turnstile", "recaptcha"), "altcha")
    """CAPTCHA provider; ALTCHA is a proof of work that calls no other service."""
    captcha_site_key: str = setting(string)
    """Site key from hCaptcha, Turnstile or reCAPTCHA."""
    captcha_secret: str = setting(string)
    """Secret key that belongs to it."""
    captcha_verify_url: str = setting(http_url)
    """Another URL of the provider's `siteverify`, when its usual one cannot be reached."""
    captcha_cost: int = setting(integer(1, 50_000), "5000")
    """Cost of ALTCHA's proof of work: rounds of PBKDF2 in each of 200 to 700 attempts."""
    captcha_register: str = setting(choice("off", "after_failures", "always"))
    """When registration needs a CAPTCHA: `after_failures` in production, `off` in development."""
    captcha_password_reset: str = setting(choice("off", "after_failures", "always"))
    """When a password reset needs one; same defaults."""
    captcha_login: str = setting(choice("off", "after_failures", "always"))
    """When login needs one; same defaults."""
    egress_allowlist: tuple[EgressDestination, ...] = setting(egress_destinations)
    """Hosts and networks that the service may call though they are not public, or without https."""
    ca_bundle: str = setting(pem_certificates)
    """Certificate authorities to trust besides the public ones: for https, mail and Redis."""
    dev_fixed_codes: Mapping[str, str] = setting(mapping)
    """Development only: fixed codes of test users, so that tests need not read the mailbox."""
    passkey_rp_id: str = setting(domain_name)
    """Domain that passkeys are bound to for ever: the host of the public URL, or a parent of it."""
    passkey_origins: tuple[str, ...] = setting(webauthn_origins)
    """Other origins at which passkeys are used: sites, subdomains and apps of yours."""
    passkey_top_origins: tuple[str, ...] = setting(webauthn_origins)
    """Sites that may embed a page that uses passkeys in a frame; none by default."""
    passkey_attestation_roots: str = setting(pem_certificates)
    """Certificate authorities of the authenticators that are allowed; by default all are, and no
    attestation is requested."""
    passkey_allowed_aaguids: tuple[str, ...] = setting(aaguids)
    """The only models that are allowed; needs `GATEHOUSE_PASSKEY_ATTESTATION_ROOTS`."""
    risk_policy: str = setting(file_path)
    """Policy for unusual logins, see `adaptive-login.md`; by default users learn of new devices."""
    geoip: str = setting(file_path)
    """GeoIP database (MaxMind DB) with countries; without one, countries are not considered."""
    bad_networks: tuple[IpNetwork, ...] = setting(ip_networks)
    """Networks that the signal `known_bad_network` matches."""
    log_format: str = setting(choice("json", "console"))
    """Form of the log lines; by default `console` in a terminal in development, else `json`."""
    metrics_token: str = setting(string)
    """Bearer token of `/metrics`. Without one, production answers 404 and development is open."""
    insecure_plaintext_mail: bool = setting(boolean, "false")
    """Allows `insecure-smtp://` in production: codes and links can be read on the network."""
    unsafe_allow_unverified_email: bool = setting(boolean, "false")
    """Development only: users can log in before their e-mail address is verified."""
    insecure_development_on_network: bool = setting(boolean, "false")
    """Development only: allows to listen on another IP address than 127.0.0.1."""

    @property
    def development(self) -> bool:
        """Whether this is a development environment."""
        return self.env == "development"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Parse all settings.

        Raises:
            ConfigurationError: with one sentence for each mistake.
        """
        loader = SettingsLoader(environ)
        settings = cls(**{f.name: loader.load_setting(f.name, **f.metadata) for f in fields(cls)})
        problems = loader.problems + unknown_settings(environ, (f.name for f in fields(cls)))
        problems += [sentence for check in CHECKS if (sentence := check(settings))]
        if problems:
            raise ConfigurationError("\n".join(dict.fromkeys(problems)))
        return settings


def read_environment() -> Settings:
    """Parse the settings of this process."""
    return Settings.from_environment(os.environ)


def injected_variables() -> list[str]:
    """Return the variables of this process that Kubernetes or Docker injected; they are ignored."""
    return service_links(os.environ)


def database_setting(*preferred: str) -> str:
    """Return the name of the variable that selects the database of this process."""
    given = (*preferred, "DATABASE_URL", "DATABASE_URL_FILE", "GATEHOUSE_DATA_DIR")
    return next((name for name in given if os.environ.get(name)), "DATABASE_URL")


def environment_with(**variables: str) -> dict[str, str]:
    """Return the environment of this process with more variables, for a child process."""
    return {**os.environ, **variables}


def metrics_folder() -> str:
    """Return the folder for the workers' metrics, set by `gatehouse serve`, or an empty string."""
    return os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")


def set_metrics_folder(folder: Path) -> None:
    """Set that folder for this process and its child processes."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def settings() -> Settings:
    """Return the settings of the running application."""
    return settings_of(current_app)


def settings_of(app: Flask) -> Settings:
    """Return the settings of an application."""
    return cast(Settings, app.extensions["gatehouse.settings"])
