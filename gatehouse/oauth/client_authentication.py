"""Authenticate clients (RFC 6749 section 2.3): each by the one method that it is registered for.

An unknown client and a wrong secret get the same answer, after the same query. Secrets have 256
random bits, so one SHA-256 suffices.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from sqlalchemy import select

from gatehouse.audit.oauth_events import Clients
from gatehouse.authorization import api_keys
from gatehouse.core import crypto
from gatehouse.core.errors import ApiError, RateLimited
from gatehouse.database.session import db, end_transaction
from gatehouse.oauth import client_assertions
from gatehouse.oauth.client_assertions import ASSERTION_TYPE, AuthenticationFailed
from gatehouse.oauth.client_metadata import (
    NO_METHOD,
    PRIVATE_KEY_JWT,
    SECRET_BASIC,
    SECRET_METHODS,
    SECRET_POST,
)
from gatehouse.oauth.client_secrets import is_live
from gatehouse.oauth.clients import CLIENT_ID, find_client
from gatehouse.oauth.errors import InvalidClient, InvalidRequest
from gatehouse.service_accounts import key_usage, key_verification
from gatehouse.service_accounts.errors import ApiKeyRejected
from gatehouse.service_accounts.key_memory import KnownKey
from gatehouse.tokens.specs import API_KEY_PREFIX
from gatehouse.web import rate_limits
from gatehouse.web.request_context import RequestContext
from models import OAuthClient, OAuthClientSecret, ServiceAccount, User

BASIC_CREDENTIALS = re.compile(r"basic +([A-Za-z0-9+/]+={0,2}) *", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, repr=False)
class ClientCredentials:
    """What a request says about the client that sends it; empty values are as if left out."""

    client_id: str | None = None
    client_secret: str | None = None
    client_assertion_type: str | None = None
    client_assertion: str | None = None
    authorization: str | None = None
    """The header `Authorization`."""


class ClientRejected(InvalidClient):
    """The client is unknown, or its authentication failed."""

    event = Clients.REJECTED


@dataclass(frozen=True, repr=False)
class _Attempt:
    """The one method that a request uses."""

    method: str
    client_id: str
    secret: str = ""
    """Or the assertion."""


def authenticate_client(credentials: ClientCredentials) -> OAuthClient:
    """Return the client that sent a request; a public one only names itself.

    Raises:
        InvalidRequest: the request uses two methods, or names no client, or two.
        InvalidClient: the client is unknown or disabled, or its authentication failed.
        RateLimited: it failed, like too many of the client's network before.
    """
    attempt = _read_attempt(credentials)
    try:
        return _require_usable(_authenticate(attempt))
    except AuthenticationFailed as failure:
        raise _to_error(failure, attempt) from None


def authenticate_client_or_service_account(
    credentials: ClientCredentials, context: RequestContext
) -> OAuthClient | KnownKey:
    """Return the client that sent a request, or the API key of a service account.

    A service account authenticates with its id as `client_id`, and with one of its API keys as
    `client_secret`; for the grant `client_credentials` only.

    Raises:
        InvalidRequest, InvalidClient, RateLimited: see `authenticate_client`.
    """
    attempt = _read_attempt(credentials)
    is_api_key = attempt.method in SECRET_METHODS and attempt.secret.startswith(API_KEY_PREFIX)
    try:
        if is_api_key:
            return _verify_api_key(attempt, context)
        return _require_usable(_authenticate(attempt))
    except AuthenticationFailed as failure:
        raise _to_error(failure, attempt) from None


def _read_attempt(credentials: ClientCredentials) -> _Attempt:
    """Return the method that a request uses (RFC 6749 section 2.3: not more than one)."""
    given = {
        SECRET_BASIC: credentials.authorization,
        SECRET_POST: credentials.client_secret,
        PRIVATE_KEY_JWT: credentials.client_assertion or credentials.client_assertion_type,
    }
    methods = [method for method, value in given.items() if value] or [NO_METHOD]
    if len(methods) > 1:
        raise InvalidRequest("The client used two methods of authentication; use one of them.")
    attempt = READERS[methods[0]](credentials)
    if credentials.client_id not in (None, "", attempt.client_id):
        raise InvalidRequest("The request names two clients.")
    return attempt


def _read_basic(credentials: ClientCredentials) -> _Attempt:
    """Return the parts of the header, each of which is form-urlencoded (section 2.3.1).

    What cannot be read is treated like the secret of an unknown client.
    """
    found = BASIC_CREDENTIALS.fullmatch(credentials.authorization or "")
    try:
        encoded_id, _, encoded_secret = base64.b64decode(found[1] if found else "").partition(b":")
        return _Attempt(SECRET_BASIC, _decode_form(encoded_id), _decode_form(encoded_secret))
    except (binascii.Error, UnicodeDecodeError):
        return _Attempt(SECRET_BASIC, "")


def _decode_form(value: bytes) -> str:
    return unquote_to_bytes(value.replace(b"+", b" ")).decode()


def _read_post(credentials: ClientCredentials) -> _Attempt:
    return _Attempt(SECRET_POST, _require_client_id(credentials), credentials.client_secret or "")


def _read_assertion(credentials: ClientCredentials) -> _Attempt:
    assertion = credentials.client_assertion
    if credentials.client_assertion_type != ASSERTION_TYPE or not assertion:
        raise InvalidRequest(f"client_assertion_type must be {ASSERTION_TYPE}, with an assertion.")
    return _Attempt(PRIVATE_KEY_JWT, client_assertions.read_client_id(assertion), assertion)


def _read_none(credentials: ClientCredentials) -> _Attempt:
    return _Attempt(NO_METHOD, _require_client_id(credentials))


READERS = {
    SECRET_BASIC: _read_basic,
    SECRET_POST: _read_post,
    PRIVATE_KEY_JWT: _read_assertion,
    NO_METHOD: _read_none,
}


def _require_client_id(credentials: ClientCredentials) -> str:
    if not credentials.client_id:
        raise InvalidRequest("The request does not say which client sends it: client_id.")
    return credentials.client_id


def _authenticate(attempt: _Attempt) -> OAuthClient:
    if attempt.method in SECRET_METHODS:
        return _verify_secret(attempt)
    client = _require_method(find_client(attempt.client_id), attempt)
    if attempt.method == PRIVATE_KEY_JWT:
        client_assertions.verify_assertion(attempt.secret, client)
    return client


def _verify_secret(attempt: _Attempt) -> OAuthClient:
    """Return the client; one query finds it with the secret, or without, or nothing."""
    secret, digest = OAuthClientSecret, crypto.digest(attempt.secret)
    is_given = (secret.client_id == OAuthClient.id) & (secret.digest == digest) & is_live()
    found = select(OAuthClient, secret.id.label("secret_id")).outerjoin(secret, is_given)
    named = (OAuthClient.id == (_possible_id(attempt) or ""), OAuthClient.enabled)
    row = db.session.execute(found.where(*named)).one_or_none()
    if row is None:
        raise AuthenticationFailed("unknown_client")
    if row.secret_id is None:
        raise AuthenticationFailed("secret")
    client = _require_method(row.OAuthClient, attempt)
    key_usage.record_use_of_client_secret(row.secret_id)
    return client


def _require_method(client: OAuthClient | None, attempt: _Attempt) -> OAuthClient:
    """Return the client, if it is registered for the method that it uses."""
    if client is None:
        raise AuthenticationFailed("unknown_client")
    if client.authentication_method != attempt.method:
        raise AuthenticationFailed("method")
    return client


def _verify_api_key(attempt: _Attempt, context: RequestContext) -> KnownKey:
    try:
        key = key_verification.verify_key(attempt.secret, context)
    except ApiKeyRejected as problem:
        raise AuthenticationFailed(problem.code) from None
    if key.sub != attempt.client_id:
        raise AuthenticationFailed("api_key_of_another_account")
    return key


def _require_usable(client: OAuthClient) -> OAuthClient:
    """Require that the service account that a client acts as, if any, and its owner are enabled."""
    if client.service_account_id:
        account = select(ServiceAccount.id).join(User, User.id == ServiceAccount.owner_id)
        enabled = (ServiceAccount.id == client.service_account_id, api_keys.IS_ENABLED)
        if db.session.scalar(account.where(*enabled)) is None:
            raise AuthenticationFailed("service_account_disabled")
    return client


def _to_error(failure: AuthenticationFailed, attempt: _Attempt) -> ApiError:
    """Count a failure of the client's network; return its error, or that there were too many."""
    end_transaction()
    try:
        rate_limits.require_quota("client")
    except RateLimited as limited:
        return limited
    rate_limits.count_hit("client")
    return ClientRejected(client=_possible_id(attempt), reason=str(failure))


def _possible_id(attempt: _Attempt) -> str | None:
    is_possible = re.fullmatch(CLIENT_ID, attempt.client_id, re.ASCII)
    return attempt.client_id if is_possible else None
