"""The links of letters: they start with what the settings say, never with what a request said."""

from uuid import UUID

import config


def link(page: str, challenge_id: UUID, token: str) -> str:
    """Return the link to a page; its secret is the fragment, which reaches no server and no log.

    A front end gets the token alone: it is all that our API asks for.
    """
    own = config.settings().frontend_url
    return f"{address(page)}#{token}" if own else f"{address(page)}/{challenge_id}#{token}"


def address(page: str) -> str:
    """Return the address of a page that needs no secret."""
    return f"{front()}/{page}"


def front() -> str:
    """Return where people use the service: at your front end, else at our own pages."""
    settings = config.settings()
    return settings.frontend_url or settings.public_url
