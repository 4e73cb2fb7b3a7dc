"""Request schemas of refresh and logout."""

from dataclasses import dataclass, field

from marshmallow import validate

from gatehouse.web.fields import Form, String


@dataclass(frozen=True)
class RefreshRequestForm:
    """A refresh request; without a token in it, the cookie counts."""

    refresh_token: str | None = field(default=None, repr=False)


class RefreshRequest(Form):
    """A refresh token; a browser sends its cookie instead."""

    refresh_token = String(4096)
    form_type = RefreshRequestForm


@dataclass(frozen=True)
class LogoutRequestForm:
    """Which sessions to end, and the refresh token of a client without an access token."""

    scope: str
    refresh_token: str | None = field(default=None, repr=False)


class LogoutRequest(Form):
    """Which sessions to end: this one (`local`), the user's others, or all (`global`)."""

    scope = String(8, load_default="local", validate=validate.OneOf(("local", "others", "global")))
    refresh_token = String(4096)
    form_type = LogoutRequestForm
