"""Forms of clients, their secrets and resources: over HTTP, at the command line, in TOML."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from marshmallow import (
    EXCLUDE,
    Schema,
    ValidationError,
    fields,
    post_load,
    pre_load,
    validate,
)

from gatehouse.oauth import (
    client_definitions,
    client_keys,
    client_metadata,
    client_secrets,
    resources,
)
from gatehouse.oauth.client_metadata import ClientChange
from gatehouse.oauth.clients import CLIENT_ID
from gatehouse.oauth.redirect_uris import MAX_LENGTH
from gatehouse.web.fields import Boolean, CodedMessage, Form, Moment, String

MINUTE = timedelta(minutes=1)
MAX_ITEMS = 100


@dataclass(frozen=True)
class NewClientForm:
    """The form `NewClient`."""

    client_id: str
    kind: str
    change: ClientChange


@dataclass(frozen=True)
class NewSecretForm:
    """The form `NewClientSecret`."""

    expires_at: datetime | None = None


@dataclass(frozen=True)
class RotationForm:
    """The form `ClientSecretRotation`."""

    overlap: timedelta


def _choice(choices: tuple[str, ...], about: str = "", required: bool = False) -> String:
    message = CodedMessage("invalid", f"Write one of: {', '.join(choices)}.")
    shown = {"enum": list(choices)} | ({"description": about} if about else {})
    check = validate.OneOf(choices, error=message)
    return String(32, required=required, validate=check, metadata=shown)


def _choices(choices: tuple[str, ...]) -> fields.List[Any]:
    return fields.List(_choice(choices), validate=validate.Length(max=len(choices)))


def _uri(about: str, example: str = "https://shop.example.com") -> String:
    shown = {"format": "uri", "description": about, "example": example}
    return String(MAX_LENGTH, metadata=shown)


def _uris(about: str, example: str) -> fields.List[Any]:
    item = String(MAX_LENGTH, metadata={"format": "uri", "example": example})
    limit = validate.Length(max=client_metadata.MAX_URIS)
    return fields.List(item, validate=limit, metadata={"description": about})


def _jwk_member(example: str = "") -> String:
    shown = {"example": example} if example else {}
    return String(client_keys.MAX_MEMBER_LENGTH, metadata=shown)


def _seconds(about: str) -> fields.Integer:
    limits = validate.Range(client_metadata.MIN_LIFETIME, client_metadata.MAX_GRANT_LIFETIME)
    return fields.Integer(
        strict=True, validate=limits, metadata={"description": f"seconds; {about}"}
    )


class ClientKey(Schema):
    """A public key (RFC 7517 section 4); members that verifying does not need are ignored."""

    kty = _jwk_member("EC")
    kid = _jwk_member("2027-01")
    use = _jwk_member("sig")
    alg = _jwk_member("ES256")
    crv = _jwk_member("P-256")
    x = _jwk_member("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")
    y = _jwk_member("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")
    n = _jwk_member()
    e = _jwk_member("AQAB")

    class Meta:
        """Ignore further members, such as `key_ops`."""

        unknown = EXCLUDE

    @pre_load
    def reject_private_keys(self, jwk: Any, **_: object) -> Any:
        """Reject a private key, which would not be noticed otherwise."""
        if isinstance(jwk, dict) and client_keys.PRIVATE_MEMBERS & jwk.keys():
            raise ValidationError(CodedMessage("private_key", client_keys.PRIVATE_KEY_MESSAGE))
        return jwk


class ClientKeySet(Schema):
    """The public keys of a client with `private_key_jwt`: a JWK Set (RFC 7517 section 5)."""

    keys = fields.List(
        fields.Nested(ClientKey), required=True, validate=validate.Length(max=client_keys.MAX_KEYS)
    )

    class Meta:
        """Ignore further members."""

        unknown = EXCLUDE


class ClientMembers(Form):
    """What can be set of a client."""

    form_type: ClassVar[type] = ClientChange

    name = String(100, metadata={"description": "shown to users", "example": "Example Shop"})
    authentication_method = _choice(client_metadata.METHODS, "the only one that is accepted")
    jwks = fields.Nested(ClientKeySet)
    redirect_uris = _uris(
        "users are sent back to exactly these; on a loopback address any port matches",
        "https://shop.example.com/callback",
    )
    post_logout_redirect_uris = _uris(
        "the same after a logout", "https://shop.example.com/signed-out"
    )
    backchannel_logout_uri = _uri(
        "gets a logout token when a user is signed out", "https://shop.example.com/logout"
    )
    grant_types = _choices(client_metadata.GRANT_TYPES)
    response_modes = _choices(client_metadata.RESPONSE_MODES)
    scopes = fields.List(
        String(64, metadata={"example": "openid"}),
        validate=validate.Length(max=MAX_ITEMS),
        metadata={"description": "of OpenID Connect, and of the resources"},
    )
    resources = fields.List(
        String(resources.MAX_AUDIENCE_LENGTH, metadata={"example": "https://api.example.com"}),
        validate=validate.Length(max=MAX_ITEMS),
        metadata={"description": "audiences that it may get access tokens for"},
    )
    consent = _choice(
        client_metadata.CONSENT_RULES,
        "`first_party` asks no user, `once` remembers the answer, `always` asks each time",
    )
    require_pkce = Boolean(
        metadata={"description": "false only for a client that authenticates and sends a nonce"}
    )
    subject_type = _choice(client_metadata.SUBJECT_TYPES)
    sector = String(
        255,
        metadata={
            "description": "a host; clients of one sector see the same pairwise subjects",
            "example": "example.com",
        },
    )
    id_token_algorithm = _choice(client_metadata.ID_TOKEN_ALGORITHMS)
    access_token_lifetime = _seconds("at most 900")
    refresh_token_lifetime = _seconds("unless it is used; at most `GATEHOUSE_SESSION_IDLE_TIMEOUT`")
    grant_lifetime = _seconds("then the user signs in again; at most a year")
    uri = _uri("the application's home page")
    logo_uri = _uri("shown to users", "https://shop.example.com/logo.svg")
    terms_uri = _uri("shown to users", "https://shop.example.com/terms")
    privacy_uri = _uri("shown to users", "https://shop.example.com/privacy")
    service_account_id = fields.UUID(
        metadata={"description": "of a service: it acts as this service account"},
    )
    enabled = Boolean(metadata={"description": "false ends its access to all users"})

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> object:
        """Return the change; null clears a member."""
        return _build_change(members)


class ClientUpdate(ClientMembers):
    """What to change of a client; what is left out stays, and null clears."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Accept null for what a client need not have."""
        field_obj.allow_none = field_name in client_metadata.OPTIONAL


class NewClient(ClientMembers):
    """A client to register; what is left out is as usual for its kind."""

    form_type = NewClientForm

    client_id = String(
        64,
        validate=validate.Regexp(
            f"{CLIENT_ID}\\Z", error=CodedMessage("invalid", client_definitions.ID_MESSAGE)
        ),
        metadata={
            "pattern": f"^{CLIENT_ID}$",
            "description": "generated if it is left out",
            "example": "shop",
        },
    )
    kind = _choice(
        client_metadata.KINDS,
        "`web` has a server, `spa` runs in a browser, `native` on a device, `service` has no users",
        required=True,
    )
    name = String(
        100, required=True, metadata={"description": "shown to users", "example": "Example Shop"}
    )

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> NewClientForm:
        """Return the form."""
        client_id = members.pop("client_id", None) or client_definitions.generate_id()
        return NewClientForm(client_id, members.pop("kind"), _build_change(members))


class NewClientSecret(Form):
    """A secret to create; without a time it does not expire."""

    form_type = NewSecretForm

    expires_at = Moment(metadata={"description": "at most five years from now"})


class ClientSecretRotation(Form):
    """How to replace a secret; the new one lives as long as the old one did."""

    form_type = RotationForm

    overlap_minutes = fields.Integer(
        strict=True,
        load_default=client_secrets.DEFAULT_OVERLAP // MINUTE,
        validate=validate.Range(0, client_secrets.MAX_OVERLAP // MINUTE),
        metadata={"description": "for which the old secret stays valid"},
    )

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> RotationForm:
        """Return the form."""
        return RotationForm(timedelta(minutes=members["overlap_minutes"]))


def _build_change(members: dict[str, Any]) -> ClientChange:
    cleared = frozenset(name for name, value in members.items() if value is None)
    given = {name: value for name, value in members.items() if value is not None}
    return ClientChange(**given, cleared=cleared)
