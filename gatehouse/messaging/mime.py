"""E-mails in MIME (RFC 5322): one recipient, a text and an HTML part, no injected headers."""

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
    """A composed e-mail with the sender and recipient for SMTP."""

    sender: str
    recipient: str
    is_international: bool
    """Whether the recipient's local part has non-ASCII characters (RFC 6531)."""
    content: bytes


def compose(message: Message, sender: Address) -> Mail:
    """Compose an e-mail.

    Raises:
        DeliveryFailed: permanently; the recipient is no e-mail address, or there is a control
            character that could break a line.
    """
    if UNPRINTABLE.search(message.subject) or UNSTORABLE.search(message.text + message.html):
        raise DeliveryFailed("The message contains a control character.", permanent=True)
    recipient = _parse_recipient(message.recipient)
    is_international = not recipient.addr_spec.isascii()
    mail = EmailMessage((SMTPUTF8 if is_international else SMTP).clone(cte_type="7bit"))
    mail["From"], mail["To"], mail["Subject"] = sender, recipient, message.subject
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = message.message_id or f"<{message.id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5: no automatic replies
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return Mail(sender.addr_spec, recipient.addr_spec, is_international, mail.as_bytes())


def _parse_recipient(email: str) -> Address:
    """Parse an e-mail address; its domain is converted to ASCII (IDNA)."""
    try:
        found = validate_email(email, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise DeliveryFailed("The recipient is not an e-mail address.", permanent=True) from None
    return Address("", found.ascii_local_part or found.local_part, found.ascii_domain)
