"""One-time passwords as second factors: short codes, valid for minutes.

The caller stores the code's id, encrypted, in the pending login, step-up challenge or new factor.
The code is good only there, and a newer one replaces it. `mfa.verification` counts the attempts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.mfa.factor import CodeUsed, FactorChallenge
from gatehouse.one_time_codes import redeeming, sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.sending import CodeRequest
from gatehouse.one_time_codes.stored_data import CodeData
from gatehouse.web.request_context import RequestContext
from models import User


@dataclass(frozen=True, kw_only=True)
class OtpData(CodeData):
    """What is stored with a code."""

    to: str
    """The e-mail address as written, or the number."""


def otp_type(purpose: str) -> CodeType:
    """Return the type of a factor's codes."""
    return CodeType(
        purpose,
        template="factor_code",
        short_template="sms_factor",
        lifetime_of=lambda settings: settings.short_code_lifetime,
        digits_of=lambda settings: settings.short_code_digits,
        error=CodeUsed,
    )


def send_otp(
    code_type: CodeType, user: User, recipient: Recipient, context: RequestContext
) -> FactorChallenge:
    """Send a new code, in the current write transaction.

    Above the recipient's hourly limit nothing is sent; the response is the same, and the previous
    code stays valid.
    """
    data = OtpData(to=recipient.as_written)
    request = CodeRequest(code_type, str(user.id), recipient, user.id, data)
    sent = sending.send_code(request, context)
    event = events.Factor.CODE_SENT if sent.is_enqueued else events.Factor.CODE_SUPPRESSED
    record(event, context, user_id=user.id, purpose=code_type.purpose)
    state = {"challenge": str(sent.id)} if sent.is_enqueued else None
    return FactorChallenge(state=state, lifetime=code_type.lifetime)


def consume_otp(code_type: CodeType, state: Mapping[str, str], code: str) -> str:
    """Consume a code, in the current transaction; return the e-mail address or number it went to.

    Raises:
        CodeUsed: no code is pending here: none was sent, or it has expired or was used.
        InvalidCode: the code is wrong.
    """
    code_id = state.get("challenge")
    if not code_id:
        raise CodeUsed
    row = redeeming.find_by_id(code_type, UUID(code_id), code)
    redeeming.consume(code_type, row)
    return one_time_codes.load_data(row, OtpData).to
