"""Which scopes and resources a request gets: never more than the client is registered for.

Scopes that the client may not have are left out, as RFC 6749 section 3.3 allows: the token response
names those that were granted. A request of which nothing is left is refused.
"""

from collections.abc import Sequence

from gatehouse.core.i18n import gettext_noop
from gatehouse.oauth import resources as resource_store
from gatehouse.oauth.client_metadata import REFRESH
from gatehouse.oauth.errors import InvalidScope, InvalidTarget
from gatehouse.oauth.resources import OPENID_SCOPES
from gatehouse.oauth.targets import userinfo_endpoint
from models import OAuthClient, OAuthResource

OPENID, OFFLINE_ACCESS = "openid", "offline_access"
SENTENCES = {
    OPENID: gettext_noop("Know who you are"),
    "profile": gettext_noop("Read your name and your profile"),
    "email": gettext_noop("Read your e-mail address"),
    "phone": gettext_noop("Read your phone number"),
    "roles": gettext_noop("Read your roles"),
    OFFLINE_ACCESS: gettext_noop("Keep its access when you are signed out"),
}
"""What a scope of OpenID Connect allows; those of resources are described where they are kept."""


def find_resources(client: OAuthClient, requested: Sequence[str]) -> list[OAuthResource]:
    """Return the resources of a request (RFC 8707 section 2), each once.

    Raises:
        InvalidTarget: one does not exist, or the client is not registered for it.
    """
    named = [audience for audience in dict.fromkeys(requested) if audience != userinfo_endpoint()]
    found = [resource_store.find_resource(name) for name in named if name in client.resources]
    known = [resource for resource in found if resource]
    if len(known) < len(named):
        raise InvalidTarget
    return known


def select_scopes(
    client: OAuthClient, requested: Sequence[str], resources: Sequence[OAuthResource]
) -> tuple[str, ...]:
    """Return those of the requested scopes that the client may have for these resources.

    Raises:
        InvalidScope: it may have none of them.
    """
    known = {*OPENID_SCOPES, *(name for resource in resources for name in resource.scopes)}
    if REFRESH not in client.grant_types:
        known.discard(OFFLINE_ACCESS)
    selected = tuple(name for name in requested if name in known.intersection(client.scopes))
    if not selected:
        raise InvalidScope("The client may have none of the requested scopes.")
    return selected
