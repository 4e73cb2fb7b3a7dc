"""Codes by SMS to a number that was proved: a restricted authenticator, so others stand beside it.

NIST SP 800-63B-4 section 3.1.3.3: who chooses it is told of the risk and of what is better.
"""

from collections.abc import Sequence
from typing import Any

from gatehouse.messaging import sms_budget
from gatehouse.messaging.message import Letter
from gatehouse.mfa import credential_store, otp, registry
from gatehouse.mfa.errors import PhoneUnproven, TooManyFactors
from gatehouse.mfa.factor import CodeProof, CodeUsed, Enrolment, Factor, Proof, Proved, Question
from gatehouse.web.fields import Form
from gatehouse.web.request_context import Visitor
from models import Credential, User

KIND = "sms"
PURPOSE = "factor_sms"
RISK = (
    "Text messages can be read by others who take over your number. "
    "An authenticator app or a passkey protects better."
)


class TextedCodes:
    """Each is bound to the number that it was set up with, whatever becomes of the account's."""

    schema: type[Form] = CodeProof
    amr: tuple[str, ...] = ("sms",)
    strong = True

    def enrol(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Enrolment:
        """Text a first code to the account's number; say what the risk is, and what is better.

        Raises:
            PhoneUnproven: the account has no proven number.
            TooManyFactors: this number is one already.
        """
        number = user.phone
        if not (number and user.phone_verified_at):
            raise PhoneUnproven
        if number in {_number(row) for row in held}:
            raise TooManyFactors
        asked = _send(user, number, visitor)
        better = [kind for kind in registry.strong() if kind != KIND]
        shown = {"risk": RISK, "alternatives": better}
        return Enrolment({"number": number, **(asked.kept or {})}, shown)

    def confirm(self, row: Credential, proof: Proof) -> None:
        """Use the first code up.

        Raises:
            InvalidCode: it is wrong.
        """
        number = otp.take(PURPOSE, credential_store.read(row), proof["code"])
        credential_store.keep(row, {"number": number})
        sms_budget.proved(number)

    def ask(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Question:
        """Text a code to the number of the factor."""
        return _send(user, _number(held[0]), visitor)

    def verify(
        self, held: Sequence[Credential], proof: Proof, asked: dict[str, Any], visitor: Visitor
    ) -> Proved:
        """Use the code up that was texted for this, and return to which of the numbers it was.

        Raises:
            InvalidCode: it is wrong.
            CodeUsed: none was texted for this, or it has expired.
        """
        to = otp.take(PURPOSE, asked, proof["code"])
        for row in held:
            if _number(row) == to:
                sms_budget.proved(to)
                return Proved(row, self.amr)
        raise CodeUsed


def _number(row: Credential) -> str:
    return str(credential_store.read(row)["number"])


def _send(user: User, number: str, visitor: Visitor) -> Question:
    letter = Letter(number, "sms_factor", {}, user.locale, "sms")
    return otp.ask(PURPOSE, user, letter, visitor)


piece: Factor = TextedCodes()
