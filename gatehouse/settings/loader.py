"""Load settings from environment variables and their `_FILE` variants; collect all mistakes."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gatehouse.settings.keyrings import HOW_TO_GENERATE_KEY, key_ring, load_development_key_ring
from gatehouse.settings.mail import channel_names, gateway_names, smtp_servers
from gatehouse.settings.parsers import (
    aaguids,
    egress_destinations,
    ip_networks,
    mapping,
    name_list,
    origin,
    origin_list,
    webauthn_origins,
)
from gatehouse.settings.service_links import service_links

RENAMED_SETTINGS = {
    "GATEHOUSE_BREACHED_LOOKUP": "GATEHOUSE_PWNED_PASSWORDS_URL",
    "GATEHOUSE_CAPTCHA_FORGOT": "GATEHOUSE_CAPTCHA_PASSWORD_RESET",
    "GATEHOUSE_INSTANCE": "GATEHOUSE_DATA_DIR",
    "GATEHOUSE_MFA_GRACE": "GATEHOUSE_MFA_GRACE_PERIOD",
    "GATEHOUSE_OUTBOUND_ALLOWED": "GATEHOUSE_EGRESS_ALLOWLIST",
    "GATEHOUSE_OUTBOUND_CA": "GATEHOUSE_CA_BUNDLE",
    "GATEHOUSE_PASSKEY_MODELS": "GATEHOUSE_PASSKEY_ALLOWED_AAGUIDS",
    "GATEHOUSE_PASSKEY_ROOTS": "GATEHOUSE_PASSKEY_ATTESTATION_ROOTS",
    "GATEHOUSE_REFRESH_GRACE": "GATEHOUSE_REFRESH_REUSE_INTERVAL",
    "GATEHOUSE_SESSION_IDLE": "GATEHOUSE_SESSION_IDLE_TIMEOUT",
}
"""Names before version 0.2, and the current ones; an old name stops the start."""

COMPUTED_FROM = {
    "passkey_rp_id": "GATEHOUSE_PUBLIC_URL",
    "public_url": "PORT",
    "service_name": "GATEHOUSE_PUBLIC_URL",
}
"""Settings whose default is computed, and the variable that it comes from."""

DEFAULT_DATA_DIR = Path(__file__).parents[2] / "instance"
"""Beside the code, from whichever folder a command runs."""
UNPREFIXED_NAMES = ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "PORT")
LIST_PARSERS = (
    origin_list,
    egress_destinations,
    smtp_servers,
    channel_names,
    gateway_names,
    name_list,
    webauthn_origins,
    aaguids,
)
EMPTY_VALUES: dict[Callable[[str], object], object] = dict.fromkeys(
    (*LIST_PARSERS, ip_networks), ()
) | {mapping: {}}
"""Value of a setting without value or default, by its parser; an empty string for all others."""


def environment_name(field_name: str) -> str:
    """Return the environment variable of a field; four names are conventions of platforms."""
    name = field_name.upper()
    return name if name in UNPREFIXED_NAMES else f"GATEHOUSE_{name}"


class SettingsLoader:
    """Parse settings one by one; `problems` collects a sentence for each mistake."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []
        self.development = self._raw_value("GATEHOUSE_ENV") == "development"
        self.data_dir = Path(self._raw_value("GATEHOUSE_DATA_DIR") or DEFAULT_DATA_DIR).absolute()

    def load_setting(self, name: str, read: Callable[[str], Any], default: str) -> Any:
        """Return the value of a setting, or None after adding to `problems`."""
        variable, before = environment_name(name), len(self.problems)
        given = self._raw_value(variable) or default
        value = given or self._computed_default(name)
        if read is key_ring and not value and len(self.problems) == before:
            self.problems.append(f"{variable} is missing; {HOW_TO_GENERATE_KEY}")
        if not value:
            return EMPTY_VALUES.get(read, "")
        try:
            return read(value)
        except ValueError as problem:
            self._report(name, f"{problem}", computed=not given)
            return None

    def _report(self, name: str, problem: str, computed: bool) -> None:
        """Add a sentence that begins with the variable that the operator has to change."""
        variable, source = environment_name(name), COMPUTED_FROM.get(name, "")
        if not computed:
            is_file = self.environ.get(f"{variable}_FILE")
            self.problems.append(f"{variable}{'_FILE' * bool(is_file)} {problem}.")
        elif not any(sentence.startswith(source) for sentence in self.problems):
            self.problems.append(
                f"{variable} {problem}. Its default comes from {source}: set {variable}."
            )

    def _raw_value(self, variable: str) -> str:
        """Return the text of a variable, or of the file that its `_FILE` variant names."""
        value, path = self.environ.get(variable, ""), self.environ.get(f"{variable}_FILE")
        if not path:
            return value.strip()
        if value:
            self.problems.append(f"{variable} is set twice: unset it or {variable}_FILE.")
            return ""
        try:
            return Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError):
            self.problems.append(f"{variable}_FILE must name a readable text file.")
            return ""

    def _computed_default(self, name: str) -> str:
        """Return the default of a setting that depends on other settings."""
        rules: dict[str, Callable[[], str]] = {
            "database_url": lambda: f"sqlite:///{self.data_dir / 'gatehouse.sqlite3'}",
            "host": lambda: "127.0.0.1" if self.development else "0.0.0.0",  # noqa: S104
            "audience": self._public_origin,
            "keep_alive": self._default_keep_alive,
            "service_name": lambda: urlsplit(self._public_origin()).hostname or "",
            "mail_channels": self._default_mail_channel,
            "sms_channels": self._default_sms_channel,
            "passkey_rp_id": lambda: urlsplit(self._public_origin()).hostname or "",
        }
        for action in ("register", "password_reset", "login"):
            rules[f"captcha_{action}"] = self._default_captcha_policy
        if self.development:
            rules["service_name"] = lambda: "Gatehouse"
            rules["mail_from"] = lambda: "Gatehouse <no-reply@gatehouse.test>"
            rules["public_url"] = lambda: f"http://localhost:{self._raw_value('PORT') or 8000}"
            for ring in ("secret_keys", "encryption_keys", "password_peppers"):
                rules[ring] = lambda: self._development_key_ring(name)
        return rules.get(name, str)()

    def _development_key_ring(self, name: str) -> str:
        try:
            return load_development_key_ring(self.data_dir / name)
        except OSError as problem:
            self.problems.append(
                f"GATEHOUSE_DATA_DIR must be a folder that this user can write, but {self.data_dir}"
                f" is not ({problem.strerror})."
            )
            return ""

    def _default_mail_channel(self) -> str:
        return "smtp" if self._raw_value("SMTP_URL") else self._console_in_development()

    def _default_sms_channel(self) -> str:
        if self._raw_value("GATEHOUSE_SMS_GATEWAY"):
            return "sms_http"
        return self._console_in_development()

    def _console_in_development(self) -> str:
        return "console" if self.development else ""

    def _default_keep_alive(self) -> str:
        """Longer than the 60 s for which proxies keep a connection, so that the proxy closes it."""
        return "75" if self._raw_value("GATEHOUSE_TRUSTED_HOPS") not in ("", "0") else "10"

    def _default_captcha_policy(self) -> str:
        return "off" if self.development else "after_failures"

    def _public_origin(self) -> str:
        """Return the normalized public URL; empty if it is invalid, which is reported elsewhere."""
        given = self._raw_value("GATEHOUSE_PUBLIC_URL") or self._computed_default("public_url")
        try:
            return origin(given)
        except ValueError:
            return ""


def unknown_settings(environ: Mapping[str, str], fields: Iterable[str]) -> list[str]:
    """Return a sentence for each `GATEHOUSE_` variable that is not a setting, or was renamed."""
    known = [environment_name(field) for field in fields]
    known += [f"{name}_FILE" for name in known]
    given = {name for name in environ if name.startswith("GATEHOUSE_")}
    given.difference_update(service_links(environ))
    return [_describe_unknown(name, known) for name in sorted(given.difference(known))]


def _describe_unknown(name: str, known: list[str]) -> str:
    renamed = RENAMED_SETTINGS.get(name.removesuffix("_FILE"))
    if renamed:
        suffix = "_FILE" if name.endswith("_FILE") else ""
        return f"{name} is now called {renamed}{suffix}; rename it in your environment."
    return f"{name} is not a setting; did you mean {_closest_setting(name, known)}?"


def _closest_setting(name: str, known: list[str]) -> str:
    bare = name.removeprefix("GATEHOUSE_")
    return bare if bare in known else (*get_close_matches(name, known, 1), "another")[0]
