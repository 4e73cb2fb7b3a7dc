"""Logout tokens: signed notices that a user signed out, for one client each.

OpenID Connect Back-Channel Logout 1.0, section 2.4.
"""

from datetime import timedelta

import jwt

import config
from gatehouse.core import clock, crypto
from gatehouse.tokens import sync
from gatehouse.tokens.keys import ACTIVE, Key, KeySet
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
    key = _signing_key(sync.current_state().require_keys(), client)
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
    return jwt.encode(claims, key.private, key.algorithm, {"typ": TYP, "kid": key.kid})


def _signing_key(keys: KeySet, client: OAuthClient) -> Key:
    """Return the key of the client's ID tokens, if there is one of its algorithm (section 2.4)."""
    signing = [key for key in keys.keys.values() if key.stage == ACTIVE]
    chosen = [key for key in signing if key.algorithm == client.id_token_algorithm]
    return chosen[0] if chosen else keys.active
