"""Recovery codes: ten saved codes that work once each (NIST SP 800-63B-4 section 4.2.1.1)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from gatehouse.core import crypto, crypto_labels
from gatehouse.core.typed_text import normalize_code
from gatehouse.mfa import credential_store
from gatehouse.mfa.factor import (
    ChallengeState,
    CodeResponse,
    CodeUsed,
    Enrolment,
    FactorChallenge,
    FactorResponse,
    VerifiedFactor,
)
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import Credential, User

CODE_COUNT = 10
CODE_BYTES = 10  # 80 bits, 16 characters in base32; the standard requires 64 bits
LOW_COUNT = 3
"""With this many codes left, or fewer, the user is asked to create new ones."""


@dataclass(frozen=True)
class CodeDigests:
    """The digests of a set's codes."""

    unused: list[str]
    used: list[str]


class RecoveryCodes:
    """One set of codes per user; a new set replaces the old one."""

    schema = CodeResponse
    amr = ("recovery",)
    strong = True
    needs_phone = False
    next_after_failure = "Check what you typed, or use another one of your recovery codes."

    def enrol(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> Enrolment:
        """Create a set; its look-up digest makes it the user's only one."""
        codes = [_format_code(crypto.random_base32(CODE_BYTES).lower()) for _ in range(CODE_COUNT)]
        digests = CodeDigests([_digest(code) for code in codes], [])
        lookup = crypto.digest(f"{crypto_labels.RECOVERY_CODES_PREFIX}{user.id}")
        return Enrolment(asdict(digests), {"recovery_codes": codes}, lookup)

    def confirm(self, row: Credential, response: FactorResponse) -> None:
        """Raise `InvalidCode`: a set is active as soon as it is shown."""
        raise InvalidCode

    def challenge(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> FactorChallenge:
        """Send nothing: the user has the codes."""
        return FactorChallenge()

    def verify(
        self,
        enrolled: Sequence[Credential],
        response: FactorResponse,
        state: ChallengeState,
        context: RequestContext,
    ) -> VerifiedFactor:
        """Consume a code and notify the user; the locked row makes each code work once.

        Raises:
            InvalidCode: the code is not in the set.
            CodeUsed: the code was used before.
        """
        digest = _digest(response.code)
        for row in enrolled:
            codes = CodeDigests(**credential_store.load_data(row))
            if digest in codes.used:
                raise CodeUsed
            if digest in codes.unused:
                unused = [other for other in codes.unused if other != digest]
                credential_store.save_data(row, asdict(CodeDigests(unused, [*codes.used, digest])))
                _notify(row, len(unused), context)
                return VerifiedFactor(row, self.amr)
        raise InvalidCode


def new_codes(enrolment: Enrolment) -> list[str]:
    """Return the codes of a new set, to be shown once."""
    codes = enrolment.public["recovery_codes"]
    return list(codes) if isinstance(codes, list) else []


def count_unused(row: Credential) -> int:
    """Return how many codes of a set are unused."""
    return len(CodeDigests(**credential_store.load_data(row)).unused)


def _notify(row: Credential, remaining: int, context: RequestContext) -> None:
    user = users.get_user(row.user_id)
    if user is None:
        return
    variables = {"left": remaining}
    notifications.notify(user, "notice_recovery_code_used", variables, context)
    if remaining <= LOW_COUNT:
        notifications.notify(user, "notice_codes_low", variables, context)


def _format_code(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def _digest(code: str) -> str:
    return crypto.digest(normalize_code(code).lower())


plugin = RecoveryCodes()
