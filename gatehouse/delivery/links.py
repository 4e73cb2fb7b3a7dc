"""The links of letters: they start with the public URL, never with what a request said."""

from uuid import UUID

import config


def link(page: str, challenge_id: UUID, token: str) -> str:
    """Return the link to a page; its secret is the fragment, which reaches no server and no log."""
    return f"{address(page)}/{challenge_id}#{token}"


def address(page: str) -> str:
    """Return the address of a hosted page that needs no secret."""
    return f"{config.settings().public_url}/{page}"
