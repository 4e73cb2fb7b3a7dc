"""The contract of an identity provider's plugin, and what it gets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import config
from gatehouse.federation.identity import AuthenticatedIdentity
from gatehouse.federation.provider import Provider

MAX_PARAMETER_LENGTH = 4096


@dataclass(frozen=True)
class Begun:
    """The secrets of one sign-in with a provider."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


@dataclass(frozen=True)
class CallbackForm:
    """The parameters with which a provider sends the user back (RFC 6749 section 4.1.2)."""

    state: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    iss: str = ""
    error: str = ""
    user: str = field(default="", repr=False)
    """JSON with the name, from Apple, at the first sign-in only."""

    @classmethod
    def read(cls, sent: Mapping[str, str]) -> "CallbackForm":
        """Return the parameters that are short enough."""
        names = ("state", "code", "iss", "error", "user")
        read = {name: sent.get(name, "") for name in names}
        return cls(**{k: v for k, v in read.items() if len(v) <= MAX_PARAMETER_LENGTH})


class ProviderPlugin(Protocol):
    """A kind of identity provider; a preset sets `defaults` of the declaration."""

    defaults: Mapping[str, object]

    def complete_declaration(self, table: dict[str, object]) -> dict[str, object]:
        """Return the declaration of an operator, with what follows from it.

        Raises:
            ValueError: something is missing; the message is a sentence.
        """
        ...

    def find_authorization_endpoint(self, provider: Provider) -> str:
        """Return the URL that the browser is sent to, without an open transaction.

        Raises:
            ProviderUnavailable, ProviderRejected: the metadata of the provider cannot be read.
        """
        ...

    def authenticate(
        self, provider: Provider, begun: Begun, form: CallbackForm
    ) -> AuthenticatedIdentity:
        """Exchange the code, and return whom the provider has authenticated, without a transaction.

        Raises:
            ProviderRejected: the response, or the answer to the code, is not valid.
            ProviderUnavailable: the provider does not answer.
        """
        ...


def callback_url(provider: Provider) -> str:
    """Return our redirect URI: one for each provider (RFC 9700 section 4.4.2)."""
    return f"{config.settings().public_url}/auth/federation/{provider.name}/callback"
