"""Access and refresh tokens of clients; our own API accepts none of them.

Refresh tokens are issued by `service.issue`, with the id of the grant in the place of a session.
"""

from dataclasses import dataclass
from typing import Any

from gatehouse.tokens import jwt_verification, service, status_list, sync
from gatehouse.tokens.custom_claims import merge_claims
from gatehouse.tokens.errors import TokenInvalid, TokenRevoked
from gatehouse.tokens.specs import ACCESS, REFRESH, ClientClaims, GrantClaims, TokenSpec, of_clients

OF_GRANT = ("grant_id", "sid", "auth_time", "acr")


@dataclass(frozen=True, slots=True)
class ClientAccessToken:
    """The claims of a verified access token of a client (RFC 9068 section 2.2).

    Times are Unix seconds. A client that acts for itself has no grant, and what belongs to it.
    """

    sub: str
    client_id: str
    aud: str
    scope: str
    jti: str
    iat: int
    exp: int
    grant_id: str | None = None
    sid: str | None = None
    auth_time: int | None = None
    amr: tuple[str, ...] = ()
    acr: str = ""
    roles: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientRefreshToken:
    """The claims of a verified refresh token of a client."""

    client_id: str
    sub: str
    grant_id: str
    jti: str
    iat: int
    exp: int


def issue_access(spec: TokenSpec, subject: str, content: ClientClaims) -> str:
    """Sign an access token of a client (`specs.client_access_token`).

    Raises:
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    sync.current_state().require_keys()
    claims = {
        **service.times(spec, content.issued_at),
        "jti": content.jti,
        "aud": spec.audience,
        "client_id": spec.client_id,
        "scope": spec.scope,
        **(_describe_grant(content.grant) if content.grant else {}),
        **({} if content.roles is None else {"roles": list(content.roles)}),
        **({"versions": list(content.versions)} if content.versions else {}),
    }
    return service.sign(spec, subject, merge_claims(claims, content.custom))


def verify_client_access(encoded: str, audiences: tuple[str, ...] | None) -> ClientAccessToken:
    """Verify an access token of a client for one of these audiences; None accepts each.

    Raises:
        TokenInvalid, TokenExpired: it is not such a token, or has expired or is outdated.
        ApiKeyNotAccepted: it is an API key.
        TokenRevoked: it was revoked, or its grant has ended.
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    tokens = sync.current_state()
    accepted = of_clients(ACCESS, None)  # what is in the cache is of any audience
    token: ClientAccessToken = service.find_verified(encoded, tokens, _parse_access, accepted)
    if audiences is not None and token.aud not in audiences:
        raise TokenInvalid
    if token.grant_id in tokens.revoked or token.jti in tokens.revoked:
        raise TokenRevoked
    if token.versions:
        service.require_current(token, tokens)
    return token


def is_cached(encoded: str) -> bool:
    """Return whether this worker has verified this access token as one of a client."""
    fingerprint = service.fingerprint_of(encoded, of_clients(ACCESS, None))
    return fingerprint in sync.current_state().verified


def verify_client_refresh(encoded: str, audience: str) -> ClientRefreshToken:
    """Verify a refresh token of a client; `oauth` checks whether it was used.

    Raises:
        jwt_verification.Expired: it is ours, but has expired.
        jwt_verification.TokenMalformed: it is not such a token.
        ServiceUnavailable: keys and revocations were last read more than 5 seconds ago.
    """
    sync.current_state().require_keys()
    claims = jwt_verification.verify_jwt(encoded, of_clients(REFRESH, (audience,)))
    names = ("client_id", "sub", "sid", "jti", "iat", "exp")
    return ClientRefreshToken(*(claims[name] for name in names))


def _describe_grant(grant: GrantClaims) -> dict[str, object]:
    return {
        "grant_id": grant.id,
        "sid": grant.sid,
        "auth_time": grant.auth_time,
        "amr": list(grant.amr),
        "acr": grant.acr,
        **status_list.build_claim(grant.status_index),
    }


def _parse_access(claims: dict[str, Any]) -> ClientAccessToken:
    return ClientAccessToken(
        **{name: claims[name] for name in ("sub", "client_id", "aud", "scope", "jti")},
        **{name: claims[name] for name in ("iat", "exp")},
        **{
            name: claims[name] for name in ("grant_id", "sid", "auth_time", "acr") if name in claims
        },
        amr=tuple(claims.get("amr", ())),
        roles=tuple(claims.get("roles", ())),
        versions=tuple(claims.get("versions", ())),
    )
