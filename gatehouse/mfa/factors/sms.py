"""SMS OTP to a verified phone number: a restricted authenticator, so alternatives are offered.

NIST SP 800-63B-4 section 3.1.3.3: users who choose it are informed of the risk and of alternatives.
"""

from collections.abc import Sequence

from gatehouse.core import crypto_labels
from gatehouse.mfa import credential_store, otp, registry
from gatehouse.mfa.errors import PhoneUnverified, TooManyFactors
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
from gatehouse.web.fields import Form
from gatehouse.web.request_context import RequestContext
from models import Credential, User

KIND = "sms"
OTP = otp.otp_type(crypto_labels.SMS_OTP)
RISK_NOTICE = (
    "Text messages can be read by others who take over your number. "
    "An authenticator app or a passkey protects better."
)


class PhoneOtp:
    """Each is bound to the number it was enrolled with, even if the account's number changes.

    `channel` sends the codes; it is also the kind of the factor.
    """

    schema: type[Form] = CodeResponse
    amr: tuple[str, ...] = ("sms",)
    strong = True
    needs_phone = True
    next_after_failure = "Type the code of the newest message, or request a new one."

    def __init__(self, channel: str) -> None:
        self.channel = channel

    def enrol(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> Enrolment:
        """Send a first code to the account's number; return the risk and the alternatives.

        Raises:
            PhoneUnverified: the account has no verified number.
            TooManyFactors: this number is enrolled already.
        """
        number = user.phone
        if not (number and user.phone_verified_at):
            raise PhoneUnverified
        if number in {_phone_number(row) for row in enrolled}:
            raise TooManyFactors
        challenge = self._send_otp(user, number, context)
        alternatives = [kind for kind in registry.strong_kinds() if kind != self.channel]
        public = {"risk": RISK_NOTICE, "alternatives": alternatives}
        return Enrolment({"number": number, **(challenge.state or {})}, public)

    def confirm(self, row: Credential, response: FactorResponse) -> None:
        """Consume the first code.

        Raises:
            InvalidCode: the code is wrong.
        """
        number = otp.consume_otp(OTP, credential_store.load_data(row), response.code)
        credential_store.save_data(row, {"number": number})

    def challenge(
        self, user: User, enrolled: Sequence[Credential], context: RequestContext
    ) -> FactorChallenge:
        """Send a code to the number of the factor."""
        return self._send_otp(user, _phone_number(enrolled[0]), context)

    def verify(
        self,
        enrolled: Sequence[Credential],
        response: FactorResponse,
        state: ChallengeState,
        context: RequestContext,
    ) -> VerifiedFactor:
        """Consume the code that was sent for this challenge; return the factor of its number.

        Raises:
            InvalidCode: the code is wrong.
            CodeUsed: no code is pending for this challenge, or its number is no longer enrolled.
        """
        recipient = otp.consume_otp(OTP, state, response.code)
        for row in enrolled:
            if _phone_number(row) == recipient:
                return VerifiedFactor(row, self.amr)
        raise CodeUsed

    def _send_otp(self, user: User, number: str, context: RequestContext) -> FactorChallenge:
        recipient = Recipient(self.channel, number, number, user.locale)
        return otp.send_otp(OTP, user, recipient, context)


def _phone_number(row: Credential) -> str:
    return str(credential_store.load_data(row)["number"])


plugin: Factor = PhoneOtp(KIND)
