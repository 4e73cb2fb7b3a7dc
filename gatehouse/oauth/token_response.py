"""Build the response of a grant: access token, ID token and refresh token."""

from gatehouse.oauth.access_tokens import AccessRequest, issue_access_token
from gatehouse.oauth.id_tokens import issue_id_token
from gatehouse.oauth.token_request import TokenResponse
from gatehouse.tokens import service as tokens
from gatehouse.tokens import specs
from gatehouse.tokens.specs import SessionClaims


def build_response(request: AccessRequest, *, is_first: bool) -> TokenResponse:
    """Sign the tokens; `is_first` is the one for the code.

    Raises:
        InvalidTarget: the resource was deleted.
    """
    access = issue_access_token(request)
    is_openid = "openid" in access.scopes
    id_token = issue_id_token(request, access.encoded, is_first=is_first) if is_openid else None
    return TokenResponse(
        access_token=access.encoded,
        expires_in=access.expires_in,
        scope=" ".join(access.scopes),
        refresh_token=_issue_refresh_token(request),
        id_token=id_token,
    )


def _issue_refresh_token(request: AccessRequest) -> str | None:
    """Sign the current refresh token of the grant; the same state gives the same claims."""
    grant = request.grant
    if grant.current_token_id is None:
        return None
    issued_at = int(grant.token_issued_at.timestamp())
    spec = specs.client_refresh_token(request.client.id, grant.idle_at - grant.token_issued_at)
    content = SessionClaims(str(grant.id), str(grant.current_token_id), issued_at)
    return tokens.issue(spec, grant.subject, content)
