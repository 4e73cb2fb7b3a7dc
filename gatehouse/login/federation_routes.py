"""Routes of identity providers: which there are, sign-ins of front ends and apps, my identities."""

from dataclasses import dataclass, field
from uuid import UUID

from marshmallow import Schema, fields, validate

import config
from gatehouse.core.errors import NotFound
from gatehouse.database.session import write_transaction
from gatehouse.federation import identities, registry, requests, return_addresses
from gatehouse.federation.errors import (
    IdentityNotAllowed,
    IdentityNotLinked,
    IdentityTaken,
    LastSignInMethod,
    ProviderRejected,
    ProviderUnavailable,
    ReturnAddressNotAllowed,
)
from gatehouse.federation.requests import FederationRequest
from gatehouse.hooks.errors import LoginDenied
from gatehouse.login import service as login
from gatehouse.login.account_checks import AccountDisabled, EmailUnverified
from gatehouse.login.method import Login, LoginAttempt, LoginForm
from gatehouse.login.method_routes import add_login_routes, respond
from gatehouse.login.methods.federated import VerifiedLoginForm, code_verifier_field
from gatehouse.login.risk import LoginRejected
from gatehouse.mfa import assurance_level
from gatehouse.mfa.errors import MfaEnrolmentOverdue
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.sessions.guards import recently_signed_in, signed_in
from gatehouse.sessions.token_response import session_to_replace
from gatehouse.tokens.service import AccessToken
from gatehouse.users import linked_identities
from gatehouse.web.fields import Form, String
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import accepts_device_token
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from models import ExternalIdentity
from schemas import LoginResponse, Timestamp

federation_routes = Blueprint(
    "federation", __name__, url_prefix="/auth/federation", description="Identity providers"
)
identity_routes = Blueprint(
    "identities", __name__, url_prefix="/auth/identities", description="My linked identities"
)
TIMESTAMP = {"type": "string", "format": "date-time"}


class ProviderItem(Schema):
    """A provider with which users can sign in."""

    name = fields.String(required=True, metadata={"example": "google"})
    label = fields.String(required=True, metadata={"example": "Google"})
    kind = fields.String(required=True, metadata={"example": "google"})


class ProviderList(Schema):
    """The providers with which users can sign in."""

    items = fields.List(fields.Nested(ProviderItem), required=True)


class Nonce(Schema):
    """The nonce that an app passes to the provider."""

    nonce = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})


@dataclass(frozen=True, kw_only=True)
class IdTokenForm(LoginForm):
    """The form `IdToken`."""

    id_token: str = field(repr=False)


class IdToken(Login):
    """The ID token that an app got from the provider, with our nonce in it."""

    form_type = IdTokenForm

    id_token = String(16_384, required=True)


@dataclass(frozen=True)
class LinkingForm:
    """The form `Linking`."""

    provider: str
    return_to: str = ""
    code_challenge: str = field(default="", repr=False)


class Linking(Form):
    """The provider whose identity I link, and where the browser comes back to.

    Without `return_to` it comes back to our account page, and must be signed in by cookies.
    """

    form_type = LinkingForm
    alternatives = (frozenset(), frozenset({"return_to", "code_challenge"}))

    provider = String(registry.MAX_NAME_LENGTH, required=True)
    return_to = String(2000)
    code_challenge = String(
        43,
        min_length=43,
        validate=validate.Regexp(return_addresses.CHALLENGE_PATTERN),
        metadata={"pattern": "^[A-Za-z0-9_-]{43}$", "description": "by S256"},
    )


class LinkingUrl(Schema):
    """Where to send the browser."""

    url = fields.String(required=True, metadata={"format": "uri"})
    expires_in = fields.Integer(required=True, metadata={"description": "seconds"})


@dataclass(frozen=True)
class LinkingCodeForm:
    """The form `LinkingCode`."""

    federation_code: str = field(repr=False)
    code_verifier: str = field(repr=False)


class LinkingCode(Form):
    """The `federation_code` of the redirect, and the verifier of the code challenge."""

    form_type = LinkingCodeForm

    federation_code = String(64, required=True)
    code_verifier = code_verifier_field()


class LinkedIdentity(Schema):
    """An identity of mine at a provider."""

    id = fields.String(required=True, metadata={"format": "uuid"})
    provider = fields.String(required=True, metadata={"example": "google"})
    label = fields.String(required=True, metadata={"example": "Google"})
    created_at = Timestamp(required=True, metadata=TIMESTAMP)
    last_used_at = Timestamp(allow_none=True, metadata=TIMESTAMP)


class LinkedIdentityList(Schema):
    """My identities at providers, the newest first."""

    items = fields.List(fields.Nested(LinkedIdentity), required=True)


@federation_routes.get("")
@federation_routes.response(200, ProviderList)
def list_providers() -> dict[str, object]:
    """List the providers with which users can sign in."""
    return {"items": registry.list_providers()}


add_login_routes(federation_routes)


@federation_routes.post("/<provider>/nonce")
@rate_limit("authorize")
@federation_routes.response(200, Nonce)
@federation_routes.errors(NotFound)
def create_nonce(provider: str) -> dict[str, object]:
    """Get a nonce for the ID token of an app."""
    found = registry.get_provider(provider)
    registry.get_native_plugin(found)
    expires_in = int(requests.LIFETIME.total_seconds())
    return {"nonce": requests.create_nonce(found), "expires_in": expires_in}


@federation_routes.post("/<provider>/token")
@rate_limit("login")
@federation_routes.arguments(IdToken)
@federation_routes.response(200, LoginResponse)
@federation_routes.errors(NotFound, ProviderRejected, ProviderUnavailable, IdentityNotLinked)
@federation_routes.errors(IdentityNotAllowed, AccountDisabled, EmailUnverified)
@federation_routes.errors(LoginRejected, MfaEnrolmentOverdue, LoginDenied)
@accepts_device_token
def log_in_with_id_token(form: IdTokenForm, provider: str) -> object:
    """Log in with the ID token that an app got from a provider."""
    identity = requests.authenticate_native(registry.get_provider(provider), form.id_token)
    verified = VerifiedLoginForm(transport=form.transport, identity=identity)
    replaced = session_to_replace(form.transport)
    attempt = LoginAttempt(verified, request_context(), form.transport, replaced)
    return respond(login.log_in("federated", attempt))


@identity_routes.get("")
@signed_in
@identity_routes.response(200, LinkedIdentityList)
def list_identities(caller: AccessToken) -> dict[str, object]:
    """List my linked identities."""
    return {"items": [_describe(row) for row in identities.list_for(UUID(caller.sub))]}


@identity_routes.post("")
@rate_limit("change")
@recently_signed_in
@identity_routes.arguments(Linking)
@identity_routes.response(201, LinkingUrl)
@identity_routes.errors(NotFound, ReturnAddressNotAllowed)
def begin_linking(caller: AccessToken, form: LinkingForm) -> dict[str, object]:
    """Begin to link an identity: send the browser to the URL of the answer."""
    assurance_level.require_max_assurance_level(caller)
    if form.return_to and not return_addresses.is_allowed(form.return_to):
        raise ReturnAddressNotAllowed
    wanted = FederationRequest(
        provider=form.provider,
        return_to=form.return_to,
        code_challenge=form.code_challenge,
        user_id=caller.sub,
        session_id=caller.sid,
    )
    with write_transaction():
        registry.get_provider(form.provider)
        token = requests.begin_linking(wanted)
    url = f"{config.settings().public_url}/auth/federation/{form.provider}?link={token}"
    return {"url": url, "expires_in": int(requests.LIFETIME.total_seconds())}


@identity_routes.post("/complete")
@rate_limit("login")
@signed_in
@identity_routes.arguments(LinkingCode)
@identity_routes.response(204)
@identity_routes.errors(InvalidCode, IdentityTaken)
def complete_linking(caller: AccessToken, form: LinkingCodeForm) -> None:
    """Link the identity of a code, in the session that began."""
    with write_transaction():
        result = requests.consume_code(form.federation_code, form.code_verifier)
        if (result.user_id, result.session_id) != (caller.sub, caller.sid):
            raise InvalidCode
        linked_identities.link_identity(UUID(caller.sub), result.authenticated, request_context())


@identity_routes.delete("/<uuid:identity_id>")
@rate_limit("change")
@recently_signed_in
@identity_routes.response(204)
@identity_routes.errors(NotFound, LastSignInMethod)
def remove_identity(caller: AccessToken, identity_id: UUID) -> None:
    """Unlink one of my identities; my other sessions end."""
    assurance_level.require_max_assurance_level(caller)
    linked_identities.unlink_identity(
        UUID(caller.sub), identity_id, UUID(caller.sid), request_context()
    )


def _describe(row: ExternalIdentity) -> dict[str, object]:
    return {
        "id": str(row.id),
        "provider": row.provider,
        "label": linked_identities.label_of(row.provider),
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
    }
