"""Ten codes on paper for when all else is lost; each works once (NIST SP 800-63B-4, 4.2.1.1)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import config
from gatehouse.core import crypto
from gatehouse.mfa import credential_store
from gatehouse.mfa.factor import CodeProof, CodeUsed, Enrolment, Proof, Proved, Question
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.users import notifications
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor
from models import Credential, User

MANY = 10
CODE_BYTES = 10  # 80 bits, which are 16 letters; the standard wants 64
FEW = 3
"""So many left, or fewer, and their owner is told to get new ones."""


@dataclass(frozen=True)
class Codes:
    """The digests of those that work, and of those that did."""

    unused: list[str]
    used: list[str]


class RecoveryCodes:
    """A set of codes; a new set takes the place of the old one."""

    schema = CodeProof
    amr = ("recovery",)
    strong = True

    def enrol(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Enrolment:
        """Make a set; a person has one."""
        codes = [_grouped(crypto.random_base32(CODE_BYTES).lower()) for _ in range(MANY)]
        kept = Codes([_digest(code) for code in codes], [])
        lookup = crypto.digest(f"recovery_codes:{user.id}")
        return Enrolment(asdict(kept), {"recovery_codes": codes}, lookup)

    def confirm(self, row: Credential, proof: Proof) -> None:
        """Refuse: a set counts from when it is shown."""
        raise InvalidCode

    def ask(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Question:
        """Ask for nothing: the codes are on paper."""
        return Question()

    def verify(
        self, held: Sequence[Credential], proof: Proof, asked: dict[str, Any], visitor: Visitor
    ) -> Proved:
        """Use a code up, and tell its owner; the locked row lets one of many at once do so.

        Raises:
            InvalidCode: it is none of the set.
            CodeUsed: it was used before.
        """
        typed = _digest(proof["code"])
        for row in held:
            codes = Codes(**credential_store.read(row))
            if typed in codes.used:
                raise CodeUsed
            if typed in codes.unused:
                rest = [digest for digest in codes.unused if digest != typed]
                credential_store.keep(row, asdict(Codes(rest, [*codes.used, typed])))
                _tell(row, len(rest), visitor)
                return Proved(row, self.amr)
        raise InvalidCode


def left(row: Credential) -> int:
    """Return how many codes of a set still work."""
    return len(Codes(**credential_store.read(row)).unused)


def _tell(row: Credential, left: int, visitor: Visitor) -> None:
    user = users.get(row.user_id)
    if user is None:
        return
    about = {"left": left, "link": f"{config.settings().public_url}/forgot-password"}
    notifications.tell(user, "notice_recovery_code_used", about, visitor)
    if left <= FEW:
        notifications.tell(user, "notice_codes_low", about, visitor)


def _grouped(letters: str) -> str:
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _digest(code: str) -> str:
    return crypto.digest(code.replace("-", "").replace(" ", "").lower())


piece = RecoveryCodes()
