"""Facebook: OAuth 2.0; it does not say whether an address is verified, so none is relied on."""

from gatehouse.federation.oauth2 import OAuthPlugin

plugin = OAuthPlugin(
    {
        "label": "Facebook",
        "issuer": "https://www.facebook.com",
        "authorization_endpoint": "https://www.facebook.com/v23.0/dialog/oauth",
        "token_endpoint": "https://graph.facebook.com/v23.0/oauth/access_token",
        "userinfo_endpoint": "https://graph.facebook.com/v23.0/me?fields=id,name,email",
        "token_auth": "client_secret_post",
        "scopes": ["public_profile", "email"],
        "subject_claim": "id",
        "profile": {"name": "name"},
    }
)
