"""Apple: OpenID Connect with a client secret that is a JWT, and `form_post`.

The name comes once, beside the code at the first sign-in, and from the browser: it is a name only.
"""

import json
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey

from gatehouse.core import clock
from gatehouse.federation.id_tokens import Claims
from gatehouse.federation.openid import OpenIdPlugin
from gatehouse.federation.plugin import CallbackForm
from gatehouse.federation.provider import Provider

LIFETIME = 300
"""Seconds that a client secret is valid: each is used once."""


class ApplePlugin(OpenIdPlugin):
    """Signs a client secret for each exchange of a code."""

    def complete_declaration(self, table: dict[str, object]) -> dict[str, object]:
        """Return the declaration, which must have the key and whose it is.

        Raises:
            ValueError: one of them is missing, or the key cannot be used.
        """
        for name in ("team_id", "signing_key_id", "signing_key"):
            if not table.get(name):
                raise ValueError(f"{name}{'_file' * (name == 'signing_key')} is missing")
        try:
            is_private = ECKey.import_key(str(table["signing_key"])).is_private
        except (ValueError, TypeError):
            is_private = False
        if not is_private:
            raise ValueError("signing_key_file must be the .p8 file from Apple")
        return table

    def client_secret(self, provider: Provider) -> str:
        """Return a client secret: a JWT that the key of the team signs."""
        now = clock.unix_time()
        claims = {
            "iss": provider.team_id,
            "iat": int(now),
            "exp": int(now) + LIFETIME,
            "aud": provider.issuer,
            "sub": provider.client_id,
        }
        header = {"alg": "ES256", "kid": provider.signing_key_id}
        return jwt.encode(header, claims, ECKey.import_key(provider.signing_key))

    def add_claims(self, provider: Provider, claims: Claims, form: CallbackForm) -> Claims:
        """Return the claims with the names that came beside the code."""
        names = _read_names(form.user)
        both = (names.get("firstName"), names.get("lastName"))
        parts = [part for part in both if isinstance(part, str)]
        return {"name": " ".join(parts), **claims}


def _read_names(user: str) -> dict[str, Any]:
    try:
        names = json.loads(user).get("name", {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    return names if isinstance(names, dict) else {}


plugin = ApplePlugin(
    {
        "label": "Apple",
        "issuer": "https://appleid.apple.com",
        "scopes": ["openid", "name", "email"],
        "response_mode": "form_post",
        "token_auth": "client_secret_post",
        "text_booleans": True,
        "trusted_email_domains": ["privaterelay.appleid.com", "icloud.com"],
    }
)
