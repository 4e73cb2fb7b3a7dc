"""The parameter `claims` (OpenID Connect Core section 5.5)."""

from collections.abc import Mapping

from flask import current_app

from gatehouse.oauth.errors import InvalidRequest

MEMBERS = ("userinfo", "id_token")
SUB, ACR = "sub", "acr"
MAX_CLAIMS = 50
Claims = dict[str, Mapping[str, object]]
"""For each of `userinfo` and `id_token`: the requested claims, and how each is requested."""


def parse_claims(value: str) -> Claims:
    """Return the requested claims; members that the standard does not define are ignored.

    Raises:
        InvalidRequest: the value is not of the form that the standard defines.
    """
    if not value:
        return {}
    try:
        given = current_app.json.loads(value)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise InvalidRequest("The parameter claims is no JSON object.")
    return {member: _parse_member(given[member]) for member in MEMBERS if given.get(member)}


def _parse_member(member: object) -> Mapping[str, object]:
    if not isinstance(member, dict) or len(member) > MAX_CLAIMS:
        raise InvalidRequest(f"The parameter claims has objects of at most {MAX_CLAIMS} claims.")
    if not all(request is None or isinstance(request, dict) for request in member.values()):
        raise InvalidRequest("In the parameter claims, a claim is requested by null or an object.")
    return member


def requested_values(claims: Claims, name: str, *, essential_only: bool = False) -> tuple[str, ...]:
    """Return the values that a claim of the ID token must have one of; none if it may have any."""
    request = claims.get("id_token", {}).get(name)
    if not isinstance(request, dict) or (essential_only and request.get("essential") is not True):
        return ()
    values = request.get("values", [])
    values = [request["value"]] if "value" in request else values
    if not isinstance(values, list):
        raise InvalidRequest("In the parameter claims, values is a list.")
    return tuple(value for value in values if isinstance(value, str))
