"""Forms of the token, revocation, introspection and userinfo endpoints.

Unknown parameters are ignored, and one without a value is as if left out (RFC 6749 section 3.2).
"""

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, post_load

from gatehouse.oauth.client_authentication import ClientCredentials
from gatehouse.oauth.token_request import TokenParameters
from gatehouse.web.fields import String

TOKEN_LENGTH, URI_LENGTH, NAME_LENGTH = 8192, 2000, 256


@dataclass(frozen=True)
class ClientFields:
    """What every form says about the client that sends it."""

    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    client_assertion_type: str = ""
    client_assertion: str = field(default="", repr=False)

    def credentials(self, authorization: str | None) -> ClientCredentials:
        """Return the credentials of the client, with the header `Authorization`."""
        values = {each.name: getattr(self, each.name) for each in fields(ClientFields)}
        return ClientCredentials(**values, authorization=authorization)


@dataclass(frozen=True)
class TokenFields(ClientFields, TokenParameters):
    """The form of the token endpoint."""


@dataclass(frozen=True)
class OneTokenFields(ClientFields):
    """A token to look at or to revoke."""

    token: str = field(default="", repr=False)
    token_type_hint: str = ""


@dataclass(frozen=True)
class UserinfoFields:
    """The access token, if it is not in the header (RFC 6750 section 2.2)."""

    access_token: str = field(default="", repr=False)


def _text(max_length: int = NAME_LENGTH) -> String:
    return String(max_length, min_length=0, load_default="")


class EndpointForm(Schema):
    """A form of an endpoint for clients; it loads into `form_type`."""

    form_type: ClassVar[type]

    class Meta:
        """Ignore what is unknown."""

        unknown = EXCLUDE

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> object:
        """Return the form as a dataclass."""
        return self.form_type(**members)


class ClientForm(EndpointForm):
    """What authenticates a client in a form (RFC 6749 section 2.3.1, RFC 7523 section 2.2)."""

    client_id = _text()
    client_secret = _text()
    client_assertion_type = _text()
    client_assertion = _text(TOKEN_LENGTH)


class TokenRequestForm(ClientForm):
    """A request for tokens; which parameters it needs depends on `grant_type`."""

    form_type = TokenFields
    grant_type = _text()
    code = _text()
    redirect_uri = _text(URI_LENGTH)
    code_verifier = _text()
    refresh_token = _text(TOKEN_LENGTH)
    scope = _text(URI_LENGTH)
    resource = _text(URI_LENGTH)


class OneTokenForm(ClientForm):
    """A token; the hint about its type is not needed."""

    form_type = OneTokenFields
    token = _text(TOKEN_LENGTH)
    token_type_hint = _text()


class UserinfoForm(EndpointForm):
    """An access token in the body."""

    form_type = UserinfoFields
    access_token = _text(TOKEN_LENGTH)
