"""Microsoft Entra ID: OpenID Connect of one tenant.

The claim `email` can be set by administrators of a tenant to anything and is not verified, so it is
never relied on by default (Microsoft, "Claims reference": never use it for authorization).
"""

from gatehouse.federation.openid import OpenIdPlugin

SHARED = ("common", "organizations", "consumers")


class MicrosoftPlugin(OpenIdPlugin):
    """The issuer follows from the tenant."""

    def complete_declaration(self, table: dict[str, object]) -> dict[str, object]:
        """Return the declaration with the issuer of the tenant.

        Raises:
            ValueError: the tenant is missing, or is not one.
        """
        tenant = table.pop("tenant", None)
        if not isinstance(tenant, str) or tenant in SHARED or "/" in tenant:
            raise ValueError("tenant must be the id of your directory")
        return {**table, "issuer": f"https://login.microsoftonline.com/{tenant}/v2.0"}


plugin = MicrosoftPlugin({"label": "Microsoft"})
