"""Logout tokens: signed notices that a user signed out, for one client each.

OpenID Connect Back-Channel Logout 1.0, section 2.4.
"""

from datetime import timedelta

import config
from gatehouse.core import clock, crypto
from gatehouse.tokens.signing import sign_jwt
from models import LogoutNotification, OAuthClient

TYP = "logout+jwt"
LIFETIME = timedelta(minutes=2)
"""At most two minutes are recommended (section 4); a token is built when it is sent."""
EVENT = "http://schemas.openid.net/event/backchannel-logout"


def build_logout_token(notification: LogoutNotification, client: OAuthClient) -> str:
    """Sign a new logout token; it has an `events` member and never a `nonce`.

    Raises:
        ServiceUnavailable: keys were last read more than 5 seconds ago.
    """
    now = clock.unix_time()
    claims = {
        "iss": config.settings().public_url,
        "aud": client.id,
        "iat": now,
        "exp": now + int(LIFETIME.total_seconds()),
        "jti": str(crypto.new_id()),
        "events": {EVENT: {}},
        "sub": notification.subject,
        "sid": str(notification.sid),
    }
    return sign_jwt(claims, TYP, client.id_token_algorithm)
