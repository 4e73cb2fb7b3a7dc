"""The account pages by name, in the order of their navigation."""

from gatehouse.core.i18n import gettext_noop

OVERVIEW = "overview"
TITLES = {
    OVERVIEW: gettext_noop("Your account"),
    "profile": gettext_noop("Profile"),
    "email": gettext_noop("E-mail address"),
    "phone": gettext_noop("Phone number"),
    "password": gettext_noop("Password"),
    "factors": gettext_noop("Passkeys and second factors"),
    "sessions": gettext_noop("Sessions and devices"),
    "identities": gettext_noop("Connected accounts"),
    "applications": gettext_noop("Applications"),
    "history": gettext_noop("Security history"),
    "data": gettext_noop("Your data"),
}
"""What each page is called; other names lead to no page."""


def path_of(name: str) -> str:
    """Return where an account page is."""
    return "/account" if name == OVERVIEW else f"/account/{name}"
