"""Codes that are sent: six digits, ten minutes, and good for what asked for them alone.

Whoever asks keeps the id of the challenge, sealed in a waiting login, a question or a new factor.
So a code is bound to that, and the next one takes its place. Guesses are counted by `mfa.guesses`.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock
from gatehouse.messaging import recipient_limits, sms
from gatehouse.messaging.message import Letter
from gatehouse.mfa.factor import CodeUsed, Question
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.service import InvalidCode
from gatehouse.web.request_context import Visitor
from models import User

LIFETIME = one_time_codes.TEXTED_LIFETIME


def ask(purpose: str, user: User, letter: Letter, visitor: Visitor) -> Question:
    """Send a new code, in the current write transaction.

    Where enough was sent this hour nothing is, the answer is the same, and the code before it
    stays good.
    """
    data = {"user_id": str(user.id), "to": letter.recipient}
    secrets = one_time_codes.create_texted(purpose, str(user.id), data)
    expires = {} if letter.channel == "sms" else {"expires": clock.now() + LIFETIME}
    filled = replace(letter, variables={"code": secrets.code, **expires})
    put = sms.text if letter.channel == "sms" else recipient_limits.put
    sent = put(filled, visitor)
    event = events.Factor.CODE_SENT if sent else events.Factor.CODE_WITHHELD
    record(event, visitor, user_id=user.id, purpose=purpose)
    kept = {"challenge": str(secrets.id)} if sent else None
    return Question(kept=kept, lifetime=LIFETIME)


def take(purpose: str, kept: dict[str, Any], code: str) -> str:
    """Use a code up, in the current transaction; return the address or number that it went to.

    Raises:
        CodeUsed: none was asked for here, or it has expired or was used: nothing was evaluated.
        InvalidCode: it is another one.
    """
    named = kept.get("challenge")
    row = one_time_codes.by_id(purpose, UUID(named)) if named else None
    if row is None:
        raise CodeUsed
    one_time_codes.require_code(row, code.replace(" ", ""))
    try:
        one_time_codes.consume(row.id)
    except InvalidCode:
        raise CodeUsed from None
    return str(one_time_codes.open_data(row)["to"])
