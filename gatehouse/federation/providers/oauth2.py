"""Any OAuth 2.0 provider: the declaration has its endpoints, and which claim is the subject."""

from gatehouse.federation.oauth2 import OAuthPlugin

plugin = OAuthPlugin()
