"""One-time passwords sent by e-mail or SMS: six digits, valid for ten minutes.

The caller stores the code's id, encrypted, in the pending login, step-up challenge or new factor.
The code is good only there, and a newer one replaces it. `mfa.attempts` counts the attempts.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.messaging import recipient_limits, sms
from gatehouse.messaging.message import MessageRequest
from gatehouse.mfa.factor import CodeUsed, FactorChallenge
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.web.request_context import RequestContext
from models import User

LIFETIME = one_time_codes.SHORT_CODE_LIFETIME


def send_otp(
    purpose: str, user: User, message: MessageRequest, context: RequestContext
) -> FactorChallenge:
    """Send a new code, in the current write transaction.

    Above the recipient's hourly limit nothing is sent; the response is the same, and the previous
    code stays valid.
    """
    data = {"user_id": str(user.id), "to": message.recipient}
    secrets = one_time_codes.create_short_code(purpose, str(user.id), data)
    expires = {} if message.channel == "sms" else {"expires": clock.now() + LIFETIME}
    complete = replace(message, variables={"code": secrets.code, **expires})
    enqueue = sms.send if message.channel == "sms" else recipient_limits.enqueue_limited
    sent = enqueue(complete, context)
    event = events.Factor.CODE_SENT if sent else events.Factor.CODE_SUPPRESSED
    record(event, context, user_id=user.id, purpose=purpose)
    state = {"challenge": str(secrets.id)} if sent else None
    return FactorChallenge(state=state, lifetime=LIFETIME)


def consume_otp(purpose: str, state: dict[str, Any], code: str) -> str:
    """Consume a code, in the current transaction; return the e-mail address or number it went to.

    Raises:
        CodeUsed: no code is pending here: none was sent, or it has expired or was used.
        InvalidCode: the code is wrong.
    """
    code_id = state.get("challenge")
    row = one_time_codes.find_by_id(purpose, UUID(code_id)) if code_id else None
    if row is None:
        raise CodeUsed
    one_time_codes.require_matching_code(row, code.replace(" ", ""))
    try:
        one_time_codes.consume(row.id)
    except InvalidCode:
        raise CodeUsed from None
    return str(one_time_codes.decrypt_data(row)["to"])
