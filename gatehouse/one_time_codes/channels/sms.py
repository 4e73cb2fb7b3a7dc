"""Codes by SMS: short, valid for minutes, within the budgets against toll fraud."""

from datetime import datetime

import config
from gatehouse.messaging import sms, sms_budget
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.service import CodeFormat, Secrets
from gatehouse.web.request_context import RequestContext


class SmsCodes:
    """Short codes without a link."""

    identifier = form_field = "phone"
    amr = "sms"

    def template(self, code_type: CodeType) -> str:
        """Return the template of the SMS."""
        return code_type.short_template

    def code_format(self, code_type: CodeType) -> CodeFormat:
        """Return the length and the lifetime of short codes."""
        settings = config.settings()
        return CodeFormat(settings.short_code_lifetime, settings.short_code_digits)

    def build_variables(
        self, code_type: CodeType, secrets: Secrets, expires_at: datetime
    ) -> dict[str, object]:
        """Return the code."""
        return {"code": secrets.code}

    def enqueue(self, message: MessageRequest, context: RequestContext) -> bool:
        """Write the SMS to the outbox if the budgets allow it."""
        return sms.send(message, context)

    def enqueue_decoy(self, message: MessageRequest, context: RequestContext) -> None:
        """Charge the budgets, and do the work of `enqueue` without an SMS."""
        sms.send_decoy(message, context)

    def record_conversion(self, recipient: str) -> None:
        """Count the code as entered."""
        sms_budget.record_conversion(recipient)


plugin = SmsCodes()
