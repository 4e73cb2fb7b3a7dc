"""Google: OpenID Connect.

Google is authoritative for addresses at gmail.com and of Workspace domains, which it names in the
claim `hd`; other addresses may have passed to other people since it verified them.
"""

from gatehouse.federation.openid import OpenIdPlugin

plugin = OpenIdPlugin(
    {
        "label": "Google",
        "issuer": "https://accounts.google.com",
        "trusted_email_domains": ["gmail.com", "googlemail.com"],
        "trusted_domain_claim": "hd",
    }
)
