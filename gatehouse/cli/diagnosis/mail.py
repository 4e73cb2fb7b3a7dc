"""`gatehouse doctor mail`: send a test mail by every server, and explain what failed."""

import smtplib
import socket
import ssl
from collections.abc import Sequence
from typing import cast

import click
from flask.cli import with_appcontext

import config
from gatehouse.core import crypto
from gatehouse.messaging import mime
from gatehouse.messaging.channels import smtp
from gatehouse.messaging.channels.smtp import TIMEOUTS, SmtpChannel
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.messaging.smtp_connection import (
    PASSWORD,
    RECIPIENT,
    SENDER,
    Connection,
    ReplyRejected,
)
from gatehouse.net.deadline import Deadline

NO_SERVER = (
    "No mail server is configured: set SMTP_URL, such as smtp://user:password@mail.example.com:587."
)
TEXT = "This is the test mail of `gatehouse doctor mail`. {name} can send you e-mail by {host}."
REJECTED_STEPS = {
    PASSWORD: "rejects the user or the password in SMTP_URL",
    SENDER: (
        "rejects the sender: let this account send as GATEHOUSE_MAIL_FROM, or change that setting"
    ),
    RECIPIENT: (
        "rejects the recipient: check the address, and that this server sends to other domains"
    ),
}
FAILURES: dict[type[Exception], str] = {
    socket.gaierror: "cannot be found: correct the host in SMTP_URL, or your DNS",
    ConnectionRefusedError: "refuses the connection: correct the host or the port in SMTP_URL",
    ssl.SSLCertVerificationError: (
        "has a certificate that is not trusted: use the name in the certificate as the host, or set"
        " GATEHOUSE_CA_BUNDLE to the certificate of your own authority"
    ),
    ssl.SSLError: (
        "does not offer the encryption that SMTP_URL asks for: smtp:// is STARTTLS (port 587),"
        " smtps:// is TLS from the first byte (port 465)"
    ),
    smtplib.SMTPNotSupportedError: (
        "offers no login: remove the user and the password from SMTP_URL, or use another port"
    ),
    smtplib.SMTPServerDisconnected: (
        "closed the connection: smtp:// is STARTTLS (port 587), smtps:// is TLS from the first byte"
        " (port 465)"
    ),
    TimeoutError: (
        "does not answer in time: a firewall may block the port, or the port may expect TLS from"
        " the first byte (smtps://)"
    ),
}
"""What to say of an error of the connection; the first class that matches counts."""


@click.command("mail")
@click.argument("recipient")
@with_appcontext
def send_test_mail(recipient: str) -> None:
    """Send a test mail to RECIPIENT by each server of SMTP_URL, and explain what failed."""
    channels = smtp_channels()
    if not channels:
        raise click.ClickException(NO_SERVER)
    problems = [problem for channel in channels if (problem := _try_to_send(channel, recipient))]
    if problems:
        raise click.ClickException("\n".join(problems))


def smtp_channels() -> Sequence[SmtpChannel]:
    """Return a channel for each server of SMTP_URL."""
    settings = config.settings()
    channels = smtp.plugin.create(settings) if settings.smtp_url else ()
    return cast(Sequence[SmtpChannel], channels)


def try_login(channel: SmtpChannel) -> str:
    """Connect and log in, as for a message; return a sentence about what failed, or ""."""
    return _explain_failure(channel, None)


def _try_to_send(channel: SmtpChannel, recipient: str) -> str:
    server = channel.parameters.server
    text = TEXT.format(name=config.settings().service_name, host=server.host)
    message = Message(crypto.new_id(), recipient, "Test mail", text, f"<p>{text}</p>")
    problem = _explain_failure(channel, message)
    if not problem:
        click.echo(
            f"{server.host}:{server.port} accepted the mail to {recipient}. If it does not arrive,"
            " look into the spam folder, and into the log of that server."
        )
    return problem


def _explain_failure(channel: SmtpChannel, message: Message | None) -> str:
    """Send a message, or only log in; return what failed and what to do, or ""."""
    server = channel.parameters.server
    name = f"{server.host}:{server.port}"
    try:
        mail = mime.compose(message, channel.sender) if message else None
        with Deadline(TIMEOUTS.mail) as deadline:
            connection = Connection(channel.parameters, deadline)
            with connection:
                if mail:
                    connection.deliver(mail)
    except ReplyRejected as failure:
        rejected = REJECTED_STEPS.get(failure.step, f"did not accept {failure.step}")
        return f"{name} {rejected}. ({failure.reply})"
    except DeliveryFailed as failure:
        return str(failure)
    except (OSError, UnicodeError) as error:  # SSLError and SMTPException are OSErrors
        kinds = (what for kind, what in FAILURES.items() if isinstance(error, kind))
        return f"{name} {next(kinds, 'cannot be used')}. ({error or type(error).__name__})"
    return ""
