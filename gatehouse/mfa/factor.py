"""The contract of a factor plugin: enrol, confirm, challenge, verify.

Enrolled factors are rows of `models.Credential`; a plugin's own data is encrypted in `data` (see
`mfa.credential_store`). A plugin commits nothing and counts no attempts: its callers do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from gatehouse.mfa.webauthn.forms import CredentialJson
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.web.fields import Code, Form
from gatehouse.web.request_context import RequestContext
from models import Credential, User


@dataclass(frozen=True)
class FactorResponse:
    """What a user sent to be verified by a factor, as loaded by the plugin's `schema`."""

    code: str = field(default="", repr=False)
    credential: CredentialJson = field(default_factory=dict, repr=False)
    """A passkey's response."""

    def members(self) -> dict[str, object]:
        """Return the members that were sent, as JSON."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class SecondFactorResponse:
    """The response of a factor, and which factor: of this kind, or the one with this id.

    `kind` is empty while only the id is known (see `verification.select_factor`).
    """

    kind: str
    response: FactorResponse
    factor_id: UUID | None = None


ChallengeState = Mapping[str, str]
"""JSON that a plugin stores with its challenge."""


class CodeUsed(InvalidCode):
    """The code or link is wrong, has expired, or was used before.

    Raised where the attempt must not be counted: the code is correct but used, or nothing is
    pending. The client sees an `InvalidCode`.
    """


class CodeResponse(Form):
    """The response of a factor that uses codes."""

    form_type = FactorResponse

    code = Code(required=True)


@dataclass(frozen=True)
class Enrolment:
    """A new factor that is not confirmed yet."""

    secret: Mapping[str, object]
    """Data to encrypt in the new row."""
    public: Mapping[str, object]
    """Members of the response that the user needs for the set-up; shown once."""
    lookup: str | None = None
    """Digest for `Credential.lookup` if known already; unique within the kind."""


@dataclass(frozen=True)
class FactorChallenge:
    """A challenge that a factor has issued."""

    public: Mapping[str, object] = field(default_factory=dict)
    """Members of the response to the client, such as the `public_key` of a passkey."""
    state: ChallengeState | None = field(default_factory=dict)
    """JSON that is stored encrypted and passed to `verify`; None keeps the previous state."""
    lifetime: timedelta | None = None
    """How long a response is accepted, if longer than the caller's own lifetime."""

    def to_response(self, lifetime: timedelta) -> dict[str, object]:
        """Return the response to the client (the schema `ChallengeResponse`)."""
        seconds = int((self.lifetime or lifetime).total_seconds())
        return {"expires_in": seconds, **self.public}


@dataclass(frozen=True)
class VerifiedFactor:
    """The factor that a response verified."""

    credential: Credential
    amr: tuple[str, ...]
    """Values of RFC 8176, or `email`, `recovery`; with `mfa` if it is two factors by itself.

    `sessions.assurance` derives the session's level from them.
    """


class Factor(Protocol):
    """A kind of factor. Its name in settings, responses and rows is its module's name."""

    schema: type[Form]
    """Form of a response: at confirmation, at the second step, and when reauthenticating."""
    amr: tuple[str, ...]
    """The `amr` that its confirmation adds to the session, such as `("otp",)`."""
    strong: bool
    """Whether it can step a session up to AAL2."""
    needs_phone: bool
    """Whether only a user with a verified phone number can enrol it."""
    next_after_failure: str
    """What a user does after a wrong response, or a used one; empty if its errors say that."""

    def enrol(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> Enrolment:
        """Start enrolling one more factor; `enrolled` are the user's confirmed ones of this kind.

        May enqueue a message, but leaves saving the row to `mfa.service`.

        Raises:
            ApiError: the user cannot have this kind, or no more of it.
        """
        ...

    def confirm(self, row: Credential, response: FactorResponse) -> None:
        """Verify the first response and complete the row: its data, counter and lookup.

        The row is locked in a write transaction. The service sets `confirmed_at`.

        Raises:
            InvalidCode: the response is wrong.
        """
        ...

    def challenge(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> FactorChallenge:
        """Issue a challenge for the enrolled factors, in a write transaction.

        Depending on the kind it sends a message, returns options, or does nothing.

        Raises:
            ApiError: no challenge can be issued now.
        """
        ...

    def verify(
        self,
        enrolled: Sequence[Credential],
        response: FactorResponse,
        state: ChallengeState,
        context: RequestContext,
    ) -> VerifiedFactor:
        """Verify a response, mark it as used, and return the matching enrolled factor.

        The rows are locked in a write transaction. `state` is the state of the last challenge in
        this login or session, or empty. The caller sets `last_used_at`.

        Raises:
            InvalidCode: the response matches none of the factors.
            CodeUsed: the response is correct, but was used before.
        """
        ...
