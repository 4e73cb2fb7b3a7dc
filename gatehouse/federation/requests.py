"""Sign-ins with providers that are under way: rows that work once, in the browser that began.

The state of the request is the token of a one-time code. The browser has a secret in a cookie that
providers, logs of URLs and other browsers do not have.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from gatehouse.core import crypto, crypto_labels
from gatehouse.database.session import write_transaction
from gatehouse.federation import code_flow, registry
from gatehouse.federation.errors import FederationDenied, FederationExpired, ProviderRejected
from gatehouse.federation.identity import AuthenticatedIdentity
from gatehouse.federation.plugin import Begun, CallbackForm
from gatehouse.federation.provider import Provider
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.one_time_codes.stored_data import StoredData
from models import OneTimeCode

REQUEST, CODE = crypto_labels.FEDERATION_REQUEST, crypto_labels.FEDERATION_CODE
NONCE, LINKING = crypto_labels.FEDERATION_NONCE, crypto_labels.FEDERATION_LINKING
LIFETIME = timedelta(minutes=10)
CODE_LIFETIME = timedelta(minutes=2)
DENIED = ("access_denied", "user_cancelled_authorize", "user_cancelled_login", "consent_required")
"""Errors that mean that the user, or the provider's policy, said no."""


@dataclass(frozen=True, kw_only=True)
class FederationRequest(StoredData):
    """What a sign-in needs when the user comes back from the provider."""

    provider: str
    nonce: str = field(default="", repr=False)
    code_verifier: str = field(default="", repr=False)
    return_to: str = ""
    """The address of a front end; without it, our pages continue."""
    code_challenge: str = ""
    transport: str = "body"
    sealed_request: str = ""
    """What our pages hand along: the authorization request of an application."""
    user_id: str | None = None
    """Who links the identity, if it is not a sign-in."""
    session_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class FederationResult(StoredData):
    """What a front end exchanges its code for."""

    identity: dict[str, Any]
    code_challenge: str
    session_id: str | None = None
    user_id: str | None = None

    @property
    def authenticated(self) -> AuthenticatedIdentity:
        """The identity."""
        return AuthenticatedIdentity.from_json(self.identity)


def begin(provider: Provider, wanted: FederationRequest, browser: str) -> str:
    """Store a request of a browser, and return where the browser is sent.

    Raises:
        ProviderUnavailable, ProviderRejected: the provider's metadata cannot be read.
    """
    endpoint = registry.get_plugin(provider).find_authorization_endpoint(provider)
    secrets = {"nonce": crypto.random_token(), "code_verifier": crypto.random_token()}
    data = replace(wanted, **secrets)
    with write_transaction():
        state = one_time_codes.create(REQUEST, browser, data.to_json(), LIFETIME).token
    return code_flow.build_url(endpoint, provider, Begun(state, **secrets))


def take(provider: Provider, form: CallbackForm, browser: str) -> FederationRequest:
    """Use up the request that a provider answers, and commit that.

    Raises:
        FederationExpired: there is none in this browser, or it was used before.
    """
    row = one_time_codes.find_by_token(REQUEST, form.state)
    if row is None or row.subject_digest not in crypto.keyed_digests(REQUEST, browser):
        raise FederationExpired
    request = one_time_codes.load_data(row, FederationRequest)
    if request.provider != provider.name:  # the answer of another provider (RFC 9700 section 4.4)
        raise ProviderRejected(provider=provider.name, reason="state of another provider")
    try:
        one_time_codes.attempt_with_token(REQUEST, form.state, max_attempts=1)
    except InvalidCode:
        raise FederationExpired from None
    return request


def authenticate(
    provider: Provider, request: FederationRequest, form: CallbackForm
) -> AuthenticatedIdentity:
    """Return whom the provider has authenticated; no transaction is open meanwhile.

    Raises:
        FederationDenied: the user, or the provider, said no.
        ProviderRejected: something in the answers of the provider is not valid.
        ProviderUnavailable: the provider does not answer.
        IdentityNotAllowed: the operator does not allow this user of the provider.
    """
    if form.error:
        denied = FederationDenied if form.error in DENIED else ProviderRejected
        raise denied(provider=provider.name, reason=f"error {form.error[:64]}")
    begun = Begun(form.state, request.nonce, request.code_verifier)
    return registry.get_plugin(provider).authenticate(provider, begun, form)


def create_code(request: FederationRequest, identity: AuthenticatedIdentity, browser: str) -> str:
    """Return a code for the front end that began, in a write transaction."""
    result = FederationResult(
        identity=identity.to_json(),
        code_challenge=request.code_challenge,
        session_id=request.session_id,
        user_id=request.user_id,
    )
    with write_transaction():
        return one_time_codes.create(CODE, browser, result.to_json(), CODE_LIFETIME).token


def redeem_code(code: str, code_verifier: str, browser: str | None) -> FederationResult:
    """Use a code up, and return its result; without a cookie's secret, only the verifier binds it.

    Raises:
        InvalidCode: the code is wrong, was used before, or began elsewhere.
    """
    row = one_time_codes.attempt_with_token(CODE, code, max_attempts=1)
    if browser is not None and row.subject_digest not in crypto.keyed_digests(CODE, browser):
        raise InvalidCode
    return _open_result(row, code_verifier)


def consume_code(code: str, code_verifier: str) -> FederationResult:
    """Use a code up in the current transaction, and return its result.

    Raises:
        InvalidCode: the code is wrong, was used before, or began elsewhere.
    """
    row = one_time_codes.find_by_token(CODE, code)
    if row is None:
        raise InvalidCode
    result = _open_result(row, code_verifier)
    one_time_codes.consume(row.id)
    return result


def _open_result(row: OneTimeCode, code_verifier: str) -> FederationResult:
    result = one_time_codes.load_data(row, FederationResult)
    if not crypto.constant_time_equal(code_flow.challenge_of(code_verifier), result.code_challenge):
        raise InvalidCode
    return result


def create_nonce(provider: Provider) -> str:
    """Return a nonce for the ID token of an app, in a write transaction."""
    with write_transaction():
        return one_time_codes.create(NONCE, provider.name, {}, LIFETIME).token


def authenticate_native(provider: Provider, id_token: str) -> AuthenticatedIdentity:
    """Verify the ID token of an app; its nonce is used up.

    Raises:
        NotFound: apps cannot sign in with this provider.
        ProviderRejected: the ID token is not valid, or its nonce was used before.
        ProviderUnavailable: the keys of the provider cannot be read.
    """
    plugin = registry.get_native_plugin(provider)
    identity, nonce = plugin.verify_native(provider, id_token)
    try:
        row = one_time_codes.attempt_with_token(NONCE, nonce, max_attempts=1)
    except InvalidCode:
        row = None
    if row is None or row.subject_digest not in crypto.keyed_digests(NONCE, provider.name):
        raise ProviderRejected(provider=provider.name, reason="nonce unknown or used")
    return identity


def begin_linking(request: FederationRequest) -> str:
    """Return a token with which the browser of a signed-in user begins, in a write transaction."""
    with write_transaction():
        return one_time_codes.create(LINKING, request.provider, request.to_json(), LIFETIME).token


def take_linking(provider: Provider, token: str) -> FederationRequest:
    """Use up a token of `begin_linking`, and return its request.

    Raises:
        FederationExpired: it is wrong, or was used before.
    """
    try:
        row = one_time_codes.attempt_with_token(LINKING, token, max_attempts=1)
    except InvalidCode:
        raise FederationExpired from None
    request = one_time_codes.load_data(row, FederationRequest)
    if request.provider != provider.name:
        raise FederationExpired
    return request


def linking_user(request: FederationRequest | FederationResult) -> tuple[UUID, UUID] | None:
    """Return the user who links an identity, and their session; None for a sign-in."""
    if request.user_id is None or request.session_id is None:
        return None
    return UUID(request.user_id), UUID(request.session_id)
