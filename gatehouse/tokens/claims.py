"""Syntax checks for the claims of our tokens; as in forms, types are never converted.

The JWT library accepts the string "9999999999" or 1e308 as a time, and checks only a few claims.
"""

import re
from collections.abc import Callable, Mapping

Check = Callable[[object], object]
WORD = r"[\x21\x23-\x5b\x5d-\x7e]+"  # scope-token of RFC 6749 section 3.3; safe in a header
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # RFC 9562 section 4, lower case
WORDS = re.compile(f"(?:{WORD}(?: {WORD})*)?")
LIST_SIZE = 2**20  # in each status list: 128 KiB of bits before they are compressed
LIST_NUMBER = re.compile("0|[1-9][0-9]{0,12}")  # 2**63 indexes, each spelled in one way
LIST_URI = re.compile(f"https?://{WORD}/tokens/status/(?:{LIST_NUMBER.pattern})")


def validate_claims(claims: Mapping[str, object], checks: Mapping[str, Check]) -> None:
    """Check that required claims are present and all known claims are well formed.

    Raises:
        ValueError: a claim is missing or malformed.
    """
    for name, check in checks.items():
        if name not in claims or not check(claims[name]):
            raise ValueError(f"the claim {name} is missing or malformed")
    for name, check in OPTIONAL.items():
        if name in claims and not check(claims[name]):
            raise ValueError(f"the claim {name} is malformed")


def _is_id(value: object) -> bool:
    return isinstance(value, str) and ID.fullmatch(value) is not None


def _is_subject(value: object) -> bool:
    """Check a `sub` for clients: at most 255 ASCII characters (OpenID Connect Core section 2)."""
    return isinstance(value, str) and len(value) <= 255 and re.fullmatch(WORD, value) is not None


def _is_time(value: object) -> bool:
    return type(value) is int  # True is an int, too


def _is_words(value: object) -> bool:
    return isinstance(value, str) and WORDS.fullmatch(value) is not None


def _is_list_of_words(value: object) -> bool:
    return isinstance(value, list) and all(
        _is_words(word) and word and " " not in word for word in value
    )


def _is_list_of_integers(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) is int for one in value)


def _is_actor(value: object) -> bool:
    """Check that the claim names one user, who acts as the subject (RFC 8693 section 4.1)."""
    return isinstance(value, dict) and value.keys() == {"sub"} and _is_id(value["sub"])


def _is_status(value: object) -> bool:
    """Check that the claim points into a status list of ours and has no other member."""
    if not isinstance(value, dict) or value.keys() != {"status_list"}:
        return False
    reference = value["status_list"]
    if not isinstance(reference, dict) or reference.keys() != {"idx", "uri"}:
        return False
    idx, uri = reference["idx"], reference["uri"]
    is_list = isinstance(uri, str) and LIST_URI.fullmatch(uri) is not None
    return is_list and type(idx) is int and 0 <= idx < LIST_SIZE


OPTIONAL: Mapping[str, Check] = {
    "versions": _is_list_of_integers,  # absent in tokens of the service version before 0.2
    "grant_id": _is_id,  # only of clients that act for a user
    "nbf": _is_time,  # we never issue it, but PyJWT would honour it
    "act": _is_actor,  # absent unless an administrator acts as the user
    "client_id": _is_words,  # absent in our own refresh tokens
    "status": _is_status,  # absent in tokens of sessions that are older than the status lists
}
REFRESH: Mapping[str, Check] = {
    "iss": _is_words,
    "sub": _is_id,
    "sid": _is_id,
    "jti": _is_id,
    "iat": _is_time,
    "exp": _is_time,
}
ACCESS: Mapping[str, Check] = {
    **REFRESH,
    "auth_time": _is_time,
    "amr": _is_list_of_words,
    "acr": _is_words,
    "roles": _is_list_of_words,
    "scope": _is_words,
    "client_id": _is_words,
}
CLIENT_REFRESH: Mapping[str, Check] = {**REFRESH, "sub": _is_subject, "client_id": _is_words}
OF_CLIENT: Mapping[str, Check] = {
    "iss": _is_words,
    "sub": _is_subject,
    "client_id": _is_words,
    "aud": _is_words,
    "scope": _is_words,
    "jti": _is_id,
    "iat": _is_time,
    "exp": _is_time,
}
"""Of the access tokens of clients that act for themselves."""
OF_GRANT: Mapping[str, Check] = {
    **OF_CLIENT,
    "grant_id": _is_id,
    "sid": _is_id,
    "auth_time": _is_time,
    "amr": _is_list_of_words,
    "acr": _is_words,
}
"""Of the access tokens of clients that act for a user."""
OF_ROLES: Mapping[str, Check] = {"roles": _is_list_of_words}


def validate_client_access(claims: Mapping[str, object]) -> None:
    """Check the claims of an access token of a client.

    Raises:
        ValueError: a claim is missing or malformed.
    """
    validate_claims(claims, OF_GRANT if "grant_id" in claims else OF_CLIENT)
    if "roles" in claims:
        validate_claims(claims, OF_ROLES)
