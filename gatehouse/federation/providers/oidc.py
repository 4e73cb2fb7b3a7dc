"""Any OpenID provider: the declaration has its issuer."""

from gatehouse.federation.openid import OpenIdPlugin

plugin = OpenIdPlugin()
