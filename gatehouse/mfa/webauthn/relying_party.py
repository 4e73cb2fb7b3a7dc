"""The relying party: this service's identity towards browsers, and its origins."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import config


@dataclass(frozen=True)
class RelyingParty:
    """The domain to which passkeys belong, and the origins that may use them."""

    id: str
    name: str
    origins: tuple[str, ...]
    top_origins: tuple[str, ...]
    """Origins that may embed such a page in a frame."""


def relying_party() -> RelyingParty:
    """Return the relying party of the settings."""
    settings = config.settings()
    origins = (settings.public_url, *settings.passkey_origins)
    return RelyingParty(
        settings.passkey_rp_id, settings.service_name, origins, settings.passkey_top_origins
    )


def related_origins() -> list[str]:
    """Return the origins outside the domain that may use its passkeys (WebAuthn section 5.11)."""
    party = relying_party()
    return [origin for origin in party.origins if not _is_within(party.id, origin)]


def _is_within(domain: str, origin: str) -> bool:
    host = urlsplit(origin).hostname
    return host is None or host == domain or host.endswith(f".{domain}")  # app origins have no host
