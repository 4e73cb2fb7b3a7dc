"""The authorization request: RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1.

Parsing and validation are separate: pushed and signed requests have other parsers and the same
validation. Errors before the redirect URI is known to be the client's are shown to the user; all
others are sent to it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from gatehouse.oauth.errors import InvalidRequest

RESOURCE = "resource"
"""The one parameter that may be repeated (RFC 8707 section 2)."""
MAX_RESOURCES = 10
MAX_LENGTHS = {
    "state": 2000,
    "scope": 2000,
    "claims": 4000,
    "id_token_hint": 4096,
    "login_hint": 254,
    "nonce": 512,
}
"""Characters; the request travels in URLs of our pages."""
MAX_LENGTH = 512
"""Of the other parameters, the redirect URI apart."""
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


@dataclass(frozen=True)
class AuthorizationParameters:
    """The parameters as they were sent; "" is one that was not (RFC 6749 section 3.1)."""

    client_id: str = ""
    redirect_uri: str = ""
    response_type: str = ""
    response_mode: str = ""
    scope: str = ""
    state: str = ""
    code_challenge: str = ""
    code_challenge_method: str = ""
    nonce: str = ""
    prompt: str = ""
    max_age: str = ""
    id_token_hint: str = ""
    login_hint: str = ""
    acr_values: str = ""
    claims: str = ""
    ui_locales: str = ""
    request: str = ""
    request_uri: str = ""
    registration: str = ""
    resources: tuple[str, ...] = ()


NAMES = {field.name for field in fields(AuthorizationParameters)} - {"resources"}


class SentParameters(Protocol):
    """The parameters of a query or a form, as Werkzeug's `MultiDict`."""

    def getlist(self, key: str) -> list[str]:
        """Return all values of a parameter."""
        ...


@dataclass(frozen=True)
class ResponseTarget:
    """Where the response to a request goes, and how."""

    redirect_uri: str
    mode: str
    state: str


@dataclass(frozen=True)
class AuthorizationRequest:
    """A valid request of a registered client; everything in it can be written as JSON."""

    client_id: str
    redirect_uri: str
    is_redirect_uri_given: bool
    """Whether the client sent it, and so has to send it again with the code."""
    response_mode: str
    state: str = ""
    scopes: tuple[str, ...] = ()
    """What the client may get of what it asked for."""
    resources: tuple[str, ...] = ()
    code_challenge: str = ""
    nonce: str = ""
    prompts: tuple[str, ...] = ()
    max_age: int | None = None
    subjects: tuple[str, ...] = ()
    """The `sub` of the user that the client expects; of any user if empty."""
    login_hint: str = ""
    acr: str = ""
    """The assurance level that the client asks for, if any."""
    is_acr_essential: bool = False
    claims: Mapping[str, Mapping[str, object]] | None = None
    ui_locales: tuple[str, ...] = ()

    @property
    def target(self) -> ResponseTarget:
        """Where the response goes."""
        return ResponseTarget(self.redirect_uri, self.response_mode, self.state)


def parse(sent: SentParameters) -> AuthorizationParameters:
    """Return the parameters of a query or form; unknown ones are ignored.

    Raises:
        InvalidRequest: one was sent twice (RFC 6749 section 3.1).
    """
    values = {name: sent.getlist(name) for name in NAMES}
    repeated = sorted(name for name, found in values.items() if len(found) > 1)
    if repeated:
        raise InvalidRequest(f"The parameter {repeated[0]} was sent twice.")
    single = {name: found[0] for name, found in values.items() if found}
    return AuthorizationParameters(**single, resources=tuple(sent.getlist(RESOURCE)))


def require_sound_values(parameters: AuthorizationParameters) -> None:
    """Require that no value is too long or contains control characters.

    Raises:
        InvalidRequest: one does.
    """
    for name in sorted(NAMES - {"redirect_uri"}):
        _require_sound_value(name, getattr(parameters, name))
    if len(parameters.resources) > MAX_RESOURCES:
        raise InvalidRequest(f"Name at most {MAX_RESOURCES} resources.")
    for resource in parameters.resources:
        _require_sound_value(RESOURCE, resource)


def _require_sound_value(name: str, value: str) -> None:
    longest = MAX_LENGTHS.get(name, MAX_LENGTH)
    is_fetched = name in ("request", "request_uri")  # refused whatever they are
    if len(value) > longest and not is_fetched:
        raise InvalidRequest(f"The parameter {name} has more than {longest} characters.")
    if UNPRINTABLE.search(value):
        raise InvalidRequest(f"The parameter {name} contains control characters.")


def split_words(value: str) -> tuple[str, ...]:
    """Return the words of a space-delimited list, each once and in its order."""
    return tuple(dict.fromkeys(value.split(" "))) if value.strip(" ") else ()


def first_of(wanted: Sequence[str], known: Sequence[str]) -> str:
    """Return the first of the wanted words that is known, or ""."""
    return next((word for word in wanted if word in known), "")
