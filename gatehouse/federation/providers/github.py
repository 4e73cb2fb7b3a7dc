"""GitHub: OAuth 2.0; the primary address is at an endpoint of its own, with its verification."""

from gatehouse.federation.oauth2 import OAuthPlugin

plugin = OAuthPlugin(
    {
        "label": "GitHub",
        "issuer": "https://github.com",
        "authorization_endpoint": "https://github.com/login/oauth/authorize",
        "token_endpoint": "https://github.com/login/oauth/access_token",
        "userinfo_endpoint": "https://api.github.com/user",
        "emails_endpoint": "https://api.github.com/user/emails",
        "token_auth": "client_secret_post",
        "scopes": ["read:user", "user:email"],
        "subject_claim": "id",
        "profile": {"name": "name"},
    }
)
