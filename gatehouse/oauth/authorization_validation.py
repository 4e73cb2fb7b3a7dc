"""Validation of an authorization request: first its client and redirect URI, then all the rest."""

from dataclasses import replace

from gatehouse.oauth import scopes
from gatehouse.oauth.authorization_request import (
    AuthorizationParameters,
    AuthorizationRequest,
    ResponseTarget,
    first_of,
    require_sound_values,
    split_words,
)
from gatehouse.oauth.client_metadata import CODE as AUTHORIZATION_CODE
from gatehouse.oauth.client_metadata import RESPONSE_MODES
from gatehouse.oauth.clients import find_client
from gatehouse.oauth.errors import (
    InvalidRequest,
    RegistrationNotSupported,
    RequestNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from gatehouse.oauth.id_token_hints import HintRejected, verify_hint
from gatehouse.oauth.pkce import require_challenge
from gatehouse.oauth.redirect_uris import is_registered
from gatehouse.oauth.requested_claims import ACR, SUB, Claims, parse_claims, requested_values
from gatehouse.sessions import assurance
from models import OAuthClient

CODE, QUERY, NONE = "code", "query", "none"
LEVELS = (assurance.AAL1, assurance.AAL2)
LOGIN, CONSENT, SELECT_ACCOUNT, CREATE = "login", "consent", "select_account", "create"
PROMPTS = (NONE, LOGIN, CONSENT, SELECT_ACCOUNT, CREATE)
LONGEST_AGE = 10**9
"""Seconds: more than anybody's sign-in lasts."""


class UnknownClient(InvalidRequest):
    """The application that sent you here is not registered with this service, or is disabled."""


class UnregisteredRedirectUri(InvalidRequest):
    """The application that sent you here wants you back at an address it is not registered with."""


def find_recipient(sent: AuthorizationParameters) -> tuple[OAuthClient, ResponseTarget]:
    """Return the client, and where it gets the response, also if that is an error.

    Raises:
        UnknownClient, UnregisteredRedirectUri: there is none (RFC 6749 section 4.1.2.1).
    """
    client = find_client(sent.client_id)
    if client is None:
        raise UnknownClient
    redirect_uri = sent.redirect_uri or _only_redirect_uri(client, sent)
    if not is_registered(client.redirect_uris, redirect_uri):
        raise UnregisteredRedirectUri
    mode = sent.response_mode if sent.response_mode in RESPONSE_MODES else QUERY
    return client, ResponseTarget(redirect_uri, mode, sent.state)


def _only_redirect_uri(client: OAuthClient, sent: AuthorizationParameters) -> str:
    """Return the only redirect URI; OpenID Connect requires the parameter."""
    if len(client.redirect_uris) != 1 or scopes.OPENID in split_words(sent.scope):
        raise UnregisteredRedirectUri
    return client.redirect_uris[0]


def validate(
    sent: AuthorizationParameters, client: OAuthClient, target: ResponseTarget
) -> AuthorizationRequest:
    """Return the valid request of a client.

    Raises:
        OAuthError: it is not valid; the client gets the error.
    """
    _refuse_unsupported(sent)
    require_sound_values(sent)
    _require_response(sent, client)
    requested = split_words(sent.scope)
    require_challenge(sent, client, is_openid=scopes.OPENID in requested)
    resources = scopes.find_resources(client, sent.resources)
    request = AuthorizationRequest(
        client_id=client.id,
        redirect_uri=target.redirect_uri,
        is_redirect_uri_given=bool(sent.redirect_uri),
        response_mode=target.mode,
        state=sent.state,
        scopes=scopes.select_scopes(client, requested, resources),
        resources=tuple(dict.fromkeys(sent.resources)),
        code_challenge=sent.code_challenge,
        nonce=sent.nonce,
    )
    return _add_expectations(request, sent, client)


def _add_expectations(
    request: AuthorizationRequest, sent: AuthorizationParameters, client: OAuthClient
) -> AuthorizationRequest:
    """Return the request with what the client expects of the user and of the sign-in."""
    claims = parse_claims(sent.claims)
    required_levels = requested_values(claims, ACR, essential_only=True)
    levels = required_levels or split_words(sent.acr_values) or requested_values(claims, ACR)
    return replace(
        request,
        prompts=_parse_prompts(sent.prompt),
        max_age=_parse_max_age(sent.max_age),
        subjects=_expected_subjects(sent, claims, client),
        login_hint=sent.login_hint,
        acr=first_of(levels, LEVELS) or (levels[0] if required_levels else ""),
        is_acr_essential=bool(required_levels),
        claims=claims or None,
        ui_locales=split_words(sent.ui_locales),
    )


def _expected_subjects(
    sent: AuthorizationParameters, claims: Claims, client: OAuthClient
) -> tuple[str, ...]:
    """Return the subjects of which the user must have one; none if it may be any user."""
    requested = requested_values(claims, SUB)
    if not sent.id_token_hint:
        return requested
    hint = verify_hint(sent.id_token_hint)
    if hint.client_id != client.id:
        raise HintRejected
    hinted = hint.subject
    if requested and hinted not in requested:
        raise InvalidRequest("The parameters id_token_hint and claims name different users.")
    return (hinted,)


def _refuse_unsupported(sent: AuthorizationParameters) -> None:
    """Refuse request objects unread (OpenID Connect Core section 6) and self-made registrations."""
    if sent.request:
        raise RequestNotSupported
    if sent.request_uri:
        raise RequestUriNotSupported
    if sent.registration:
        raise RegistrationNotSupported


def _require_response(sent: AuthorizationParameters, client: OAuthClient) -> None:
    """Require a response type and mode that exist and that the client may use."""
    if not sent.response_type:
        raise InvalidRequest("The parameter response_type is missing.")
    if sent.response_type != CODE:
        raise UnsupportedResponseType
    if AUTHORIZATION_CODE not in client.grant_types:
        raise UnauthorizedClient
    if sent.response_mode and sent.response_mode not in RESPONSE_MODES:
        raise InvalidRequest("The parameter response_mode is none of query, fragment, form_post.")
    if (sent.response_mode or QUERY) not in client.response_modes:
        raise UnauthorizedClient


def _parse_prompts(value: str) -> tuple[str, ...]:
    prompts = split_words(value)
    if not set(prompts) <= set(PROMPTS):
        raise InvalidRequest(f"The parameter prompt is none of {', '.join(PROMPTS)}.")
    if NONE in prompts and len(prompts) > 1:
        raise InvalidRequest("The prompt none excludes all others.")
    return prompts


def _parse_max_age(value: str) -> int | None:
    if not value:
        return None
    if not (value.isascii() and value.isdigit()) or int(value) > LONGEST_AGE:
        raise InvalidRequest("The parameter max_age is no number of seconds.")
    return int(value)
