"""Links in messages: they start with a configured URL, never with a host of the request."""

from uuid import UUID

import config


def one_time_link(page: str, code_id: UUID, token: str) -> str:
    """Return the link to a page; its token is the fragment, which no server and no log receives.

    A link to the operator's front end has no code id: the API needs the token only.
    """
    frontend_url = config.settings().frontend_url
    return f"{page_url(page)}#{token}" if frontend_url else f"{page_url(page)}/{code_id}#{token}"


def page_url(page: str) -> str:
    """Return the URL of a page, without a token."""
    return f"{base_url()}/{page}"


def base_url() -> str:
    """Return the URL of the front end if there is one, else that of the hosted pages."""
    settings = config.settings()
    return settings.frontend_url or settings.public_url
