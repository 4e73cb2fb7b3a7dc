"""Codes by e-mail, with a link if their type has a page."""

from datetime import datetime

from gatehouse.messaging import outbox
from gatehouse.messaging.links import one_time_link
from gatehouse.messaging.message import MessageRequest
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.service import CodeFormat, Secrets
from gatehouse.web.request_context import RequestContext


class EmailCodes:
    """Codes as long, and valid as long, as their type says."""

    identifier = form_field = amr = "email"

    def template(self, code_type: CodeType) -> str:
        """Return the template of the e-mail."""
        return code_type.template

    def code_format(self, code_type: CodeType) -> CodeFormat:
        """Return the length and the lifetime of the type."""
        return CodeFormat(code_type.lifetime, code_type.digits, is_readable=code_type.shows_code)

    def build_variables(
        self, code_type: CodeType, secrets: Secrets, expires_at: datetime
    ) -> dict[str, object]:
        """Return the code, when it expires, and the link."""
        variables = {"code": secrets.code, "expires": expires_at}
        if not code_type.page:
            return variables
        return variables | {"link": one_time_link(code_type.page, secrets.id, secrets.token)}

    def enqueue(self, message: MessageRequest, context: RequestContext) -> bool:
        """Write the e-mail to the outbox."""
        outbox.put(message, context)
        return True

    def enqueue_decoy(self, message: MessageRequest, context: RequestContext) -> None:
        """Do the work of `enqueue` without an e-mail."""
        outbox.enqueue_decoy(message, context)

    def record_conversion(self, recipient: str) -> None:
        """Do nothing: e-mails have no budget."""


plugin = EmailCodes()
