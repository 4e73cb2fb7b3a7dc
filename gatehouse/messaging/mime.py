"""Mails as they travel (RFC 5322): one recipient, a text and an HTML part, no header by others."""

from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime

from email_validator import EmailNotValidError, validate_email

from gatehouse.core import clock
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.web.fields import UNPRINTABLE, UNSTORABLE


@dataclass(frozen=True)
class Mail:
    """A mail, and the two addresses of its envelope."""

    sender: str
    recipient: str
    is_international: bool
    """Whether the recipient has more than ASCII before the @ (RFC 6531)."""
    content: bytes


def compose(message: Message, sender: Address) -> Mail:
    """Write a mail.

    Raises:
        DeliveryFailed: permanently; its recipient is no address, or something would break a line.
    """
    if UNPRINTABLE.search(message.subject) or UNSTORABLE.search(message.text + message.html):
        raise DeliveryFailed("A control character cannot be mailed.", permanent=True)
    recipient = _recipient(message.recipient)
    is_international = not recipient.addr_spec.isascii()
    mail = EmailMessage((SMTPUTF8 if is_international else SMTP).clone(cte_type="7bit"))
    mail["From"], mail["To"], mail["Subject"] = sender, recipient, message.subject
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = message.message_id or f"<{message.id}@{sender.domain}>"  # never another
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: no holiday notes, please
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return Mail(sender.addr_spec, recipient.addr_spec, is_international, mail.as_bytes())


def _recipient(text: str) -> Address:
    """Return the one address that a text is; its domain in ASCII (IDNA)."""
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise DeliveryFailed("The recipient is no e-mail address.", permanent=True) from None
    return Address("", found.ascii_local_part or found.local_part, found.ascii_domain)
