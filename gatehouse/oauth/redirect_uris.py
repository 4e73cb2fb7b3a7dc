"""Redirect URIs: which may be registered, and whether a request names a registered one.

They are compared as strings (RFC 9700 section 2.1), except for the port of loopback ones, which
native applications choose when they start (RFC 8252 section 7.3).
"""

import re
from collections.abc import Sequence

import config
from gatehouse.core.errors import reject_field

MAX_LENGTH = 2000
URI_CHARACTERS = re.compile(r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+")  # RFC 3986 appendix A
PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
LOOPBACK = re.compile(
    r"(?P<start>http://(?P<host>127\.0\.0\.1|\[::1\]|localhost))"
    r"(:(?P<port>[1-9][0-9]{0,4}))?(?P<rest>[/?].*)?",
    re.ASCII,
)
PRIVATE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
"""A scheme of a native application: a domain name reversed (RFC 8252 section 7.1)."""
AUTHORITY = re.compile(
    r"([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(:(?P<port>[1-9][0-9]{0,4}))?", re.ASCII
)
WILDCARDS = ("*", "%2a")
NATIVE = "native"


def is_registered(registered: Sequence[str], given: str) -> bool:
    """Return whether a URI of a request is one of the registered ones.

    The comparison of strings comes first; a loopback URI may have any port.
    """
    if given in registered:
        return True
    wanted = _without_port(given)
    return wanted is not None and wanted in {_without_port(uri) for uri in registered}


def require_valid_uri(field: str, uri: str, kind: str) -> None:
    """Require a URI that a client of this kind may register as a target of redirects.

    Raises:
        ValidationFailed: it names the field, and what is wrong with the URI.
    """
    if problem := _find_problem(uri, kind):
        reject_field(field, "invalid_uri", f"{_quote(uri)} {problem}")


def require_https(field: str, uri: str) -> None:
    """Require an https URL for people, such as that of a logo.

    Raises:
        ValidationFailed: it is none.
    """
    if problem := _find_syntax_problem(uri) or _find_web_problem(uri):
        reject_field(field, "invalid_uri", f"{_quote(uri)} {problem}")


def require_well_formed(field: str, uri: str) -> None:
    """Require what each URI must have, whatever its scheme.

    Raises:
        ValidationFailed: it is too long, or has a fragment, a wildcard or other characters.
    """
    if problem := _find_syntax_problem(uri):
        reject_field(field, "invalid_uri", f"{_quote(uri)} {problem}")


def _find_problem(uri: str, kind: str) -> str | None:
    if problem := _find_syntax_problem(uri):
        return problem
    if found := LOOPBACK.fullmatch(uri):
        return _find_loopback_problem(found, kind)
    scheme = uri.partition(":")[0]
    if kind == NATIVE and PRIVATE_SCHEME.fullmatch(scheme):
        return None
    return _find_web_problem(uri)


def _find_syntax_problem(uri: str) -> str | None:
    """Return what no URI may have."""
    if len(uri) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters."
    if any(wildcard in uri.lower() for wildcard in WILDCARDS):
        return "contains a wildcard; register each address by itself."
    if "#" in uri:
        return "has a fragment; leave out # and what follows."
    if not URI_CHARACTERS.fullmatch(uri) or PERCENT.search(uri):
        return "contains characters that must be percent-encoded."
    return None


def _find_loopback_problem(found: re.Match[str], kind: str) -> str | None:
    if int(found["port"] or 1) > 65535:
        return "has no valid port."
    is_allowed = kind == NATIVE or config.settings().development
    if found["host"] == "localhost" and not is_allowed:
        return "must use https; only native applications can be on localhost."
    return _find_path_problem(found["rest"] or "")


def _find_web_problem(uri: str) -> str | None:
    if not uri.startswith("https://"):
        return "must begin with https://, in lower-case letters."
    authority, _, path = uri.removeprefix("https://").partition("/")
    if "@" in authority:
        return "contains a user name; leave out @ and what is before it."
    found = AUTHORITY.fullmatch(authority.partition("?")[0])
    if found is None or int(found["port"] or 1) > 65535:
        return "has no valid host and port; write the host in lower-case letters."
    return _find_path_problem(path)


def _find_path_problem(path: str) -> str | None:
    """Return what is wrong with a path: browsers would resolve `.` and `..` in it."""
    segments = re.split(r"[/?]", path.lower().replace("%2e", "."))
    if {".", ".."} & set(segments):
        return "has . or .. in its path; write the path that is meant."
    return None


def _without_port(uri: str) -> str | None:
    """Return a loopback URI without its port; None if it is not a loopback URI."""
    found = LOOPBACK.fullmatch(uri)
    if found is None or int(found["port"] or 1) > 65535:
        return None
    return found["start"] + (found["rest"] or "")


def _quote(uri: str) -> str:
    return repr(uri if len(uri) <= 100 else f"{uri[:100]}...")
