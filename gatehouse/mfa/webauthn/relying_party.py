"""Who asks for passkeys, and from where: the service, as browsers know it."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import config


@dataclass(frozen=True)
class RelyingParty:
    """The domain that passkeys belong to, and the pages that may use them."""

    id: str
    name: str
    origins: tuple[str, ...]
    top_origins: tuple[str, ...]
    """Sites that may hold such a page in a frame."""


def ourselves() -> RelyingParty:
    """Return what the settings say."""
    settings = config.settings()
    origins = (settings.public_url, *settings.passkey_origins)
    about = (settings.passkey_rp_id, settings.service_name)
    return RelyingParty(*about, origins, settings.passkey_top_origins)


def related_origins() -> list[str]:
    """Return the origins outside our domain that may use its passkeys (WebAuthn section 5.11)."""
    party = ourselves()
    return [origin for origin in party.origins if not _is_within(party.id, origin)]


def _is_within(domain: str, origin: str) -> bool:
    host = urlsplit(origin).hostname
    return host is None or host == domain or host.endswith(f".{domain}")  # an app has no host
