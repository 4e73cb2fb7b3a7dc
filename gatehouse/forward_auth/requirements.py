"""What a gateway demands of a token: permissions, roles and levels, all of them."""

from collections.abc import Iterable

from werkzeug.datastructures import MultiDict

from gatehouse.authorization.errors import Forbidden
from gatehouse.core.errors import MalformedRequest
from gatehouse.sessions import assurance
from gatehouse.sessions.errors import InsufficientUserAuthentication
from gatehouse.tokens.client_tokens import ClientAccessToken
from gatehouse.tokens.service import AccessToken

PARAMETER = "require"
LEVELS = (assurance.AAL1, assurance.AAL2, "aal3")
MAX_LENGTH = 128


class RequirementNotMet(Forbidden):
    """The token or API key is valid, but lacks a permission or role that the gateway requires."""

    event = None  # type: ignore[assignment] # requests of gateways write nothing


def parse_requirements(query: MultiDict[str, str]) -> list[str]:
    """Return what the query requires.

    Raises:
        MalformedRequest: it has another parameter, or an empty or overlong value. Ignoring what
            is misspelt would let requests pass.
    """
    requirements = query.getlist(PARAMETER)
    if query.keys() - {PARAMETER} or not all(0 < len(one) <= MAX_LENGTH for one in requirements):
        raise MalformedRequest("Send ?require= with a permission, role:NAME or a level, only.")
    return requirements


def require_all(token: AccessToken | ClientAccessToken, requirements: Iterable[str]) -> None:
    """Require that the token has all that is required.

    Raises:
        RequirementNotMet: it lacks a permission or role.
        InsufficientUserAuthentication: its level is too low; the user can step up.
    """
    levels = [one for one in requirements if one in LEVELS]
    had = {*token.scope.split(), *(f"role:{role}" for role in token.roles)}
    if not had.issuperset(one for one in requirements if one not in LEVELS):
        raise RequirementNotMet
    if levels and token.acr < max(levels):
        raise InsufficientUserAuthentication(None, max(levels))


def require_permissions(permissions: frozenset[str], requirements: Iterable[str]) -> None:
    """Require that an API key has all that is required; it has neither roles nor a level.

    Raises:
        RequirementNotMet: it lacks a permission, or a role or level is required.
    """
    if not permissions.issuperset(requirements):
        raise RequirementNotMet
