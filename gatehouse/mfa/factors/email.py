"""E-mail OTP to the account's verified address: an addition to the password that never gives AAL2.

A mailbox is no possession factor (NIST SP 800-63B-4 section 3.1.3.1), so it does not satisfy a
policy that requires a second factor (decision 27).
"""

from collections.abc import Sequence

from gatehouse.core import crypto_labels
from gatehouse.mfa import credential_store, otp
from gatehouse.mfa.errors import FactorUnavailable, TooManyFactors
from gatehouse.mfa.factor import (
    ChallengeState,
    CodeResponse,
    CodeUsed,
    Enrolment,
    Factor,
    FactorChallenge,
    FactorResponse,
    VerifiedFactor,
)
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.passwords import service as passwords
from gatehouse.users import service as users
from gatehouse.web.fields import Form
from gatehouse.web.request_context import RequestContext
from models import Credential, User

OTP = otp.otp_type(crypto_labels.EMAIL_OTP)


class EmailOtp:
    """At most one per user; codes go to the account's current e-mail address."""

    schema: type[Form] = CodeResponse
    amr: tuple[str, ...] = ("email",)
    strong = False
    needs_phone = False
    next_after_failure = "Type the code of the newest e-mail, or request a new one."

    def enrol(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> Enrolment:
        """Send a first code.

        Raises:
            FactorUnavailable: the e-mail address is not verified, or the user has no password.
            TooManyFactors: the user has this factor already.
        """
        if user.email_verified_at is None or passwords.get(user.id) is None:
            raise FactorUnavailable
        if enrolled:
            raise TooManyFactors
        return Enrolment(_send_otp(user, context).state or {}, {})

    def confirm(self, row: Credential, response: FactorResponse) -> None:
        """Consume the first code.

        Raises:
            InvalidCode: the code is wrong.
        """
        otp.consume_otp(OTP, credential_store.load_data(row), response.code)
        credential_store.save_data(row, {})

    def challenge(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> FactorChallenge:
        """Send a code."""
        return _send_otp(user, context)

    def verify(
        self,
        enrolled: Sequence[Credential],
        response: FactorResponse,
        state: ChallengeState,
        context: RequestContext,
    ) -> VerifiedFactor:
        """Consume the code that was sent for this challenge to the account's current address.

        Raises:
            InvalidCode: the code is wrong.
            CodeUsed: no code is pending for this challenge, or the e-mail address has changed.
        """
        recipient = otp.consume_otp(OTP, state, response.code)
        user = users.get_user(enrolled[0].user_id)
        if user is None or user.email != recipient:
            raise CodeUsed
        return VerifiedFactor(enrolled[0], self.amr)


def _send_otp(user: User, context: RequestContext) -> FactorChallenge:
    recipient = Recipient("email", user.email, user.email_canonical, user.locale)
    return otp.send_otp(OTP, user, recipient, context)


plugin: Factor = EmailOtp()
