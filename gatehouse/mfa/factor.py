"""The contract of a factor: enrolled once, confirmed once, then asked for and verified.

A factor's rows are `models.Credential`; what it keeps of its own is a small dataclass, sealed in
`data` (see `mfa.credentials`). A piece commits nothing and counts no guesses: `mfa.service` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.web.fields import Form, Text
from gatehouse.web.request_context import Visitor
from models import Credential, User

Proof = dict[str, Any]
"""What somebody sent to prove a factor, as the piece's `schema` has loaded it."""


class CodeUsed(InvalidCode):
    """The code or the link is wrong, has expired, or was used before.

    It was right, but its owner has used it already: to its sender that is a wrong code, but the
    guess is not counted.
    """


class CodeProof(Form):
    """The proof of a factor with codes."""

    code = Text(64, required=True, load_only=True)


@dataclass(frozen=True)
class Enrolment:
    """A factor that somebody begins to have."""

    data: dict[str, Any]
    """What the new row keeps, sealed."""
    shown: dict[str, Any]
    """What the person needs to set it up: members of the answer, shown this once."""
    lookup: str | None = None
    """Digest for `Credential.lookup`, where it is known that early; unique within the kind."""


@dataclass(frozen=True)
class Question:
    """A factor was asked for."""

    shown: dict[str, Any] = field(default_factory=dict)
    """Members of the answer, such as the `public_key` of a passkey."""
    kept: dict[str, Any] | None = field(default_factory=dict)
    """JSON that is kept, sealed, until the answer comes; `verify` gets it as `asked`.

    None leaves what was asked before as it is.
    """
    lifetime: timedelta | None = None
    """How long the answer may take, if that is longer than what asks would wait."""


@dataclass(frozen=True)
class Proved:
    """A factor was proved."""

    credential: Credential
    amr: tuple[str, ...]
    """Words of RFC 8176 or `email`, `recovery`; with `mfa` if it proves two things by itself.

    `sessions.levels` makes the level of the session of them.
    """


class Factor(Protocol):
    """A kind of factor. Its name, in settings, answers and rows, is that of its file."""

    schema: type[Form]
    """What proves it: at confirmation, at the second step, and to reauthenticate."""
    amr: tuple[str, ...]
    """What its confirmation proves, for the session in which it is set up: `("otp",)`."""
    strong: bool
    """Whether it raises a session to AAL2."""

    def enrol(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Enrolment:
        """Begin to have one more; `held` are the person's confirmed ones of this kind.

        Writes nothing but letters (`outbox.put`): the service keeps the row.

        Raises:
            Refusal: this person cannot have it, or one more of it.
        """
        ...

    def confirm(self, row: Credential, proof: Proof) -> None:
        """Return if a first proof is right; complete the row: its data, counter, lookup.

        The row is locked in a write transaction. The service sets `confirmed_at`.

        Raises:
            InvalidCode: it is wrong.
        """
        ...

    def ask(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Question:
        """Ask for one of the held ones, in a write transaction: a message, options, or nothing.

        Raises:
            Refusal: it cannot be asked for now.
        """
        ...

    def verify(
        self, held: Sequence[Credential], proof: Proof, asked: dict[str, Any], visitor: Visitor
    ) -> Proved:
        """Return which of the held ones was proved, and use the proof up.

        The rows are locked in a write transaction. `asked` is what `ask` last kept for this
        login, or empty. The service sets `last_used_at`.

        Raises:
            InvalidCode: none was.
            CodeUsed: the proof was right, but was used before.
        """
        ...
