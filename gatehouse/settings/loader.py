"""Reads options from the environment one by one, and collects what is wrong with them."""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import EnvError, FileAwareEnv

from gatehouse.settings.keyrings import MAKE_ONE, development_ring, key_ring
from gatehouse.settings.mail import channels, gateways, mail_servers
from gatehouse.settings.parsers import (
    destinations,
    models,
    names,
    networks,
    origin,
    origins,
    page_origins,
    pairs,
)

PLATFORM_NAMES = ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "PORT")
LISTS = (origins, destinations, mail_servers, channels, gateways, names, page_origins, models)
EMPTY: dict[Callable[[str], Any], Any] = dict.fromkeys((*LISTS, networks), ()) | {pairs: {}}
"""What an option that nobody gave is, where that is no empty text."""


def name_of(option_name: str) -> str:
    """Return the environment's name of an option: platforms have fixed four of them."""
    name = option_name.upper()
    return name if name in PLATFORM_NAMES else f"GATEHOUSE_{name}"


class Environment(FileAwareEnv):
    """Reads a given mapping, `_FILE` variants included, instead of the process's environment."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(strip_whitespace=True)
        self.mapping = environ

    def _get_value(self, env_key: str, default: Any) -> Any:
        path = self.mapping.get(f"{env_key}_FILE")
        if path and self.mapping.get(env_key):
            raise ValueError(f"{env_key} is given twice: unset it or {env_key}_FILE.")
        if not path:
            return self.mapping.get(env_key, "").strip() or default
        try:
            return Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise ValueError(f"{env_key}_FILE must name a readable text file.") from None


class Reader:
    """Reads options one by one, and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.env = Environment(environ)
        self.problems: list[str] = []
        self.development = self._text("GATEHOUSE_ENV") == "development"
        self.folder = Path(self._text("GATEHOUSE_INSTANCE") or "instance").absolute()

    def option(self, name: str, read: Callable[[str], Any], default: str) -> Any:
        """Return the option's value, or None after noting the problem."""
        variable, known = name_of(name), len(self.problems)
        value = self._text(variable) or default or self._computed(name)
        if read is key_ring and not value and len(self.problems) == known:
            self.problems.append(f"{variable} is missing; {MAKE_ONE}")
        if not value:
            return EMPTY.get(read, "")
        try:
            return read(value)
        except ValueError as problem:
            self.problems.append(f"{variable} {problem}.")
            return None

    def _text(self, variable: str) -> str:
        try:
            return self.env.str(variable, "")
        except (EnvError, ValueError) as problem:
            self.problems.append(str(problem))
            return ""

    def _computed(self, name: str) -> str:
        """Return the default of an option that depends on others."""
        rules: dict[str, Callable[[], str]] = {
            "database_url": lambda: f"sqlite:///{self.folder / 'gatehouse.sqlite3'}",
            "host": lambda: "127.0.0.1" if self.development else "0.0.0.0",  # noqa: S104
            "audience": self._public_origin,
            "service_name": lambda: urlsplit(self._public_origin()).hostname or "",
            "mail_channels": lambda: "smtp" if self._text("SMTP_URL") else self._console(),
            "sms_channels": self._sms_channel,
            "passkey_rp_id": lambda: urlsplit(self._public_origin()).hostname or "",
        }
        for action in ("register", "forgot", "login"):
            rules[f"captcha_{action}"] = self._captcha_policy
        if self.development:
            rules["service_name"] = lambda: "Gatehouse"
            rules["mail_from"] = lambda: "Gatehouse <no-reply@gatehouse.test>"
            rules["public_url"] = lambda: f"http://localhost:{self._text('PORT') or 8000}"
            for ring in ("secret_keys", "encryption_keys", "password_peppers"):
                rules[ring] = lambda: development_ring(self.folder / name)
        return rules.get(name, str)()

    def _sms_channel(self) -> str:
        return "sms_http" if self._text("GATEHOUSE_SMS_GATEWAY") else self._console()

    def _console(self) -> str:
        return "console" if self.development else ""

    def _captcha_policy(self) -> str:
        return "off" if self.development else "after_failures"

    def _public_origin(self) -> str:
        """Return the public URL as it is compared, or nothing where it is none: told elsewhere."""
        given = self._text("GATEHOUSE_PUBLIC_URL") or self._computed("public_url")
        try:
            return origin(given)
        except ValueError:
            return ""


def unknown_names(environ: Mapping[str, str], options: Iterable[str]) -> list[str]:
    """Return a sentence for each name that looks like an option of ours and is none."""
    known = [name_of(option) for option in options]
    known += [f"{name}_FILE" for name in known]
    unknown = {name for name in environ if name.startswith("GATEHOUSE_")}.difference(known)
    near = {name: _nearest(name, known) for name in sorted(unknown)}
    return [f"{name} is not a setting; did you mean {other}?" for name, other in near.items()]


def _nearest(name: str, known: list[str]) -> str:
    bare = name.removeprefix("GATEHOUSE_")
    return bare if bare in known else (*get_close_matches(name, known, 1), "another")[0]
