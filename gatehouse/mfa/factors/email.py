"""Codes by mail to the account's proven address: something beside the password, and no AAL2.

A mailbox is nothing that one holds (NIST SP 800-63B-4 section 3.1.3.1); where the policy wants a
second factor of somebody, this one is not enough. Decision 27 says more.
"""

from collections.abc import Sequence
from typing import Any

from gatehouse.messaging.message import Letter
from gatehouse.mfa import credential_store, otp
from gatehouse.mfa.errors import FactorNotOffered, TooManyFactors
from gatehouse.mfa.factor import CodeProof, CodeUsed, Enrolment, Factor, Proof, Proved, Question
from gatehouse.passwords import service as passwords
from gatehouse.users import service as users
from gatehouse.web.fields import Form
from gatehouse.web.request_context import Visitor
from models import Credential, User

PURPOSE = "factor_email"


class EmailCodes:
    """One for a person; it follows the address of the account."""

    schema: type[Form] = CodeProof
    amr: tuple[str, ...] = ("email",)
    strong = False

    def enrol(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Enrolment:
        """Send a first code.

        Raises:
            FactorNotOffered: the address is not proved, or there is no password to be beside.
            TooManyFactors: they have it already.
        """
        if user.email_verified_at is None or passwords.of(user.id) is None:
            raise FactorNotOffered
        if held:
            raise TooManyFactors
        return Enrolment(_send(user, visitor).kept or {}, {})

    def confirm(self, row: Credential, proof: Proof) -> None:
        """Use the first code up.

        Raises:
            InvalidCode: it is wrong.
        """
        otp.take(PURPOSE, credential_store.read(row), proof["code"])
        credential_store.keep(row, {})

    def ask(self, user: User, held: Sequence[Credential], visitor: Visitor) -> Question:
        """Send a code."""
        return _send(user, visitor)

    def verify(
        self, held: Sequence[Credential], proof: Proof, asked: dict[str, Any], visitor: Visitor
    ) -> Proved:
        """Use the code up that was sent for this, to the address that still is the account's.

        Raises:
            InvalidCode: it is wrong.
            CodeUsed: none was sent for this, or it has expired, or the address is another now.
        """
        to = otp.take(PURPOSE, asked, proof["code"])
        user = users.get(held[0].user_id)
        if user is None or user.email != to:
            raise CodeUsed
        return Proved(held[0], self.amr)


def _send(user: User, visitor: Visitor) -> Question:
    return otp.ask(PURPOSE, user, Letter(user.email, "factor_code", {}, user.locale), visitor)


piece: Factor = EmailCodes()
