"""What a client continues with once a user is signed in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Continuation:
    """An opaque value that a login carries to its end, whatever steps it takes.

    `kind` says what `value` is, such as a return address or an authorization request. The
    code that starts the login chooses both; the login stores and returns them unread.
    """

    kind: str
    value: str
