"""Settings: every option with its type, a sentence and a safe default; refuses an unsafe start.

The environment is read once, here. `docs/settings.md` is generated from the options below.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from email.headerregistry import Address
from pathlib import Path
from typing import Any, cast

from click import ClickException
from flask import Flask, current_app

from gatehouse.settings.checks import CHECKS
from gatehouse.settings.hash_lists import hash_list
from gatehouse.settings.keyrings import KeyRing, key_ring
from gatehouse.settings.languages import LANGUAGES
from gatehouse.settings.loader import Reader, unknown_names
from gatehouse.settings.mail import MailServer, channels, gateways, mail_servers, mailbox
from gatehouse.settings.parsers import (
    Destination,
    Network,
    certificates,
    database_url,
    destinations,
    domain,
    file,
    folder,
    models,
    names,
    networks,
    number,
    one_of,
    origin,
    origins,
    page_origins,
    pairs,
    redis_url,
    seconds,
    switch,
    text,
    title,
    web_address,
)

VERSION = "0.1.0"
ROOT = Path(__file__).parent


class ConfigurationError(ClickException):
    """The environment does not describe a safe service; the message says what to change.

    Commands show the message alone, without a trace.
    """


def option(read: Callable[[str], Any], default: str = "") -> Any:
    """Describe one setting: how its text is read, and the text it has when nobody gives one."""
    return field(metadata={"read": read, "default": default}, repr=False)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything the operator can choose, read once at the start."""

    env: str = option(one_of("production", "development"), "production")
    """What the service is for; `development` opens the mailbox and listens on 127.0.0.1 only."""
    instance: str = option(text, "instance")
    """The folder of the SQLite file, and of the keys that development makes for itself."""
    host: str = option(text)
    """The address to listen on: 127.0.0.1 in development, 0.0.0.0 in production."""
    port: int = option(number(1, 65535), "8000")
    """The port to listen on."""
    workers: int = option(number(1, 64), "2")
    """Worker processes; one for each core is a good start."""
    threads: int = option(number(2, 128), "32")
    """Threads in each worker; up to 24 of them wait for a password to be hashed, in a flood."""
    public_url: str = option(origin)
    """Where people reach the service: issuer of its tokens, start of its links.
    In development `http://localhost:$PORT`; production has no default and wants https."""
    service_name: str = option(title)
    """What people call your service: in letters, pages, authenticator apps and passkeys, and no
    password. By default the public URL's host; `Gatehouse` in development."""
    audience: str = option(text)
    """The `aud` of access tokens; by default the public URL."""
    allowed_origins: tuple[str, ...] = option(origins)
    """Origins of the front ends whose scripts may read answers (CORS) and send writes."""
    trusted_hops: int = option(number(0, 8), "0")
    """How many proxies of yours append to `X-Forwarded-For` before a request arrives."""
    database_url: str = option(database_url)
    """The database; by default a SQLite file in the instance folder."""
    redis_url: str = option(redis_url)
    """Redis or Valkey for the counters of the route limits; without it the database keeps them."""
    secret_keys: KeyRing = option(key_ring)
    """Keys of the digests of codes, addresses and limits."""
    encryption_keys: KeyRing = option(key_ring)
    """AES-GCM keys of the secrets that are kept in the database."""
    password_peppers: KeyRing = option(key_ring)
    """Keys of the step before the password hash: a stolen database alone verifies nothing."""
    password_hasher: str = option(one_of("bcrypt", "argon2"), "bcrypt")
    """How new passwords are hashed; the other kind is still verified, and upgraded at login."""
    bcrypt_cost: int = option(number(4, 16), "12")
    """The bcrypt cost; below 12 in development only."""
    breached_passwords: str = option(hash_list)
    """Stolen passwords that nobody may choose; see `passwords.md`."""
    breached_lookup: str = option(web_address)
    """Where they are asked for by the first five digits of their hash; off unless given.
    `https://api.pwnedpasswords.com/range` is one."""
    signing_algorithm: str = option(one_of("ES256", "EdDSA", "RS256"), "ES256")
    """The algorithm of new signing keys."""
    access_token_lifetime: timedelta = option(seconds(30, 900), "600")
    """How long an access token lives."""
    session_idle: timedelta = option(seconds(60, 1_209_600), "1209600")
    """A session that is not refreshed for so long ends (14 days)."""
    session_lifetime: timedelta = option(seconds(60, 2_592_000), "2592000")
    """A session ends after so long whatever happens (30 days)."""
    refresh_grace: timedelta = option(seconds(0, 60), "10")
    """For so long after its use, a refresh token yields the session's current one once more."""
    factors: tuple[str, ...] = option(names, "totp,passkey,recovery_codes,sms,email")
    """The kinds of second factors that exist here, in the order in which they are offered."""
    mfa: str = option(one_of("optional", "required_for_roles", "required"), "optional")
    """Who must have a second factor. Who must and has none sets one up when signing in."""
    mfa_grace: timedelta = option(seconds(0, 31_536_000), "1209600")
    """For so long after the policy first wants it of somebody, their first step alone lets them set
    one up (14 days); then a code by mail as well, or an operator. 0 is no grace."""
    mfa_roles: tuple[str, ...] = option(names, "admin")
    """With `GATEHOUSE_MFA=required_for_roles`: the roles that need a second factor."""
    mfa_reset_delay: timedelta = option(seconds(0, 2_592_000), "86400")
    """So long after a reset was announced the factors go (a day); the owner can stop it."""
    rate_limits: bool = option(switch, "on")
    """`off` silences the limits of the routes, for measurements; never the lockout."""
    smtp_url: tuple[MailServer, ...] = option(mail_servers)
    """The servers that take our mail. `insecure-smtp://localhost:1025`, without TLS and password,
    is for development only and reaches no other machine."""
    mail_from: Address | str = option(mailbox)
    """The sender of mails; production needs it wherever it needs `SMTP_URL`."""
    mail_channels: tuple[str, ...] = option(channels)
    """The channels of mails: `smtp` where there is `SMTP_URL`, else `console` in development."""
    sms_channels: tuple[str, ...] = option(channels)
    """The channels of texts: `sms_http` where there is a gateway, else `console` in development."""
    sms_gateway: tuple[str, ...] = option(gateways)
    """The gateways that take our texts: `twilio`, `vonage`, `messagebird`, or TOML files that
    describe others. With several, the next three hold a value for each, in the same order."""
    sms_account: str = option(text)
    """Who we are to the SMS gateway: the account SID of Twilio, the API key of Vonage."""
    sms_secret: str = option(text)
    """What proves it: the auth token, API secret or access key."""
    sms_from: str = option(text)
    """The sender of texts: a number of yours in E.164, or a name where the country allows it."""
    sms_prefix_budget: int = option(number(1, 1_000_000), "200")
    """Texts in an hour to numbers that begin alike, such as +49 151; the rest is not sent."""
    captcha: str = option(one_of("altcha", "hcaptcha", "turnstile", "recaptcha"), "altcha")
    """The kind of CAPTCHA; ALTCHA is a proof of work that asks nobody outside."""
    captcha_site_key: str = option(text)
    """The public key that hCaptcha, Turnstile or reCAPTCHA gave you."""
    captcha_secret: str = option(text)
    """The secret that belongs to it."""
    captcha_verify_url: str = option(web_address)
    """Another address of the provider's `siteverify`, where its usual one cannot be reached."""
    captcha_cost: int = option(number(1, 50_000), "5000")
    """How dear ALTCHA's proof of work is: rounds of PBKDF2 in each of 200 to 700 tries."""
    captcha_register: str = option(one_of("off", "after_failures", "always"))
    """When registering asks for a CAPTCHA: `after_failures` in production, `off` in development."""
    captcha_forgot: str = option(one_of("off", "after_failures", "always"))
    """When asking for a new password does; the defaults are the same."""
    captcha_login: str = option(one_of("off", "after_failures", "always"))
    """When logging in does; the defaults are the same."""
    outbound_allowed: tuple[Destination, ...] = option(destinations)
    """Where the service may call though it is not public, or a host is not reached by https."""
    outbound_ca: str = option(certificates)
    """Authorities to trust besides the public ones when the service calls another by https, or
    hands mail over."""
    default_locale: str = option(one_of(*LANGUAGES), "en")
    """The language of letters and pages for people whose own is not told, or is none of these."""
    templates: str = option(folder)
    """A folder of templates that replace ours of the same name (`templates-and-languages.md`)."""
    frontend_url: str = option(web_address)
    """Where your front end has the pages that letters lead to; without it, ours are used."""
    dev_fixed_codes: Mapping[str, str] = option(pairs)
    """Development only: the codes of test users, so that no test has to read the mailbox."""
    passkey_rp_id: str = option(domain)
    """The domain that passkeys belong to, for ever: the public URL's host, or a parent of it."""
    passkey_origins: tuple[str, ...] = option(page_origins)
    """Where passkeys are used besides the public URL: other sites, subdomains and apps of yours."""
    passkey_top_origins: tuple[str, ...] = option(page_origins)
    """Sites that may hold a page which uses passkeys in a frame; none by default."""
    passkey_roots: str = option(certificates)
    """Authorities of the authenticators that are allowed; by default all are, and none is asked
    what it is."""
    passkey_models: tuple[str, ...] = option(models)
    """With `GATEHOUSE_PASSKEY_ROOTS`: the only models of authenticators that are allowed."""
    risk_policy: str = option(file)
    """The file that says what unusual logins lead to; by default the owner is told of a new device.
    `docs/adaptive-login.md` shows one."""
    geoip: str = option(file)
    """A GeoIP file (MaxMind DB) that tells countries; without one nothing depends on them."""
    bad_networks: tuple[Network, ...] = option(networks)
    """Networks whose logins the signal `known_bad_network` finds."""
    metrics_token: str = option(text)
    """The bearer token of `/metrics`. Without one, production hides it and development opens it."""
    unsafe_allow_unverified_email: bool = option(switch, "false")
    """Development only: a registration is an account at once, before its address is proved."""
    insecure_development_on_network: bool = option(switch, "false")
    """Development only: listen on another address than 127.0.0.1."""

    @property
    def development(self) -> bool:
        """Whether the developer's conveniences exist."""
        return self.env == "development"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read every option, or raise ConfigurationError with one sentence for each mistake."""
        reader = Reader(environ)
        settings = cls(**{f.name: reader.option(f.name, **f.metadata) for f in fields(cls)})
        unsafe = [sentence for check in CHECKS if (sentence := check(settings))]
        problems = reader.problems + unknown_names(environ, (f.name for f in fields(cls))) + unsafe
        if problems:
            raise ConfigurationError("\n".join(dict.fromkeys(problems)))
        return settings


def read_environment() -> Settings:
    """Return the settings of this process."""
    return Settings.from_environment(os.environ)


def metrics_folder() -> str:
    """Return the folder of the workers' counts, which `flask serve` has named, or nothing."""
    return os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")


def name_metrics_folder(folder: Path) -> None:
    """Name that folder, for this process and for those that it starts."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def settings() -> Settings:
    """Return the settings of the running application."""
    return settings_of(current_app)


def settings_of(app: Flask) -> Settings:
    """Return the settings of an application."""
    return cast(Settings, app.extensions["gatehouse.settings"])
