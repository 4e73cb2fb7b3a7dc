"""The SMTP channel: TLS, connection reuse, temporary and permanent failures, header injection."""

from __future__ import annotations

import time
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest
import trustme

from gatehouse.core import clock, crypto, log
from gatehouse.messaging.channels.smtp import Timeouts
from gatehouse.messaging.message import DeliveryFailed
from tests.log_lines import read_log_lines
from tests.mail_server import (
    PASSWORD,
    USER,
    check_credentials,
    create_tls_context,
    run_mail_server,
    run_scripted_server,
)
from tests.parallel import run_in_parallel
from tests.servers import free_port

LOGIN = {"user": USER, "password": PASSWORD}
SERVER_LOGIN = {"authenticator": check_credentials, "auth_required": True}


def send_and_fail(channel, message):
    """Send a message and return the failure."""
    with pytest.raises(DeliveryFailed) as failed:
        channel.send(message)
    return failed.value


def read_lines(connection):
    """Yield the lines that the client sends."""
    with connection.makefile("rb") as file:
        yield from file


# Delivered e-mails


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_email_is_delivered_over_tls_after_login(create_channel, authority, message, scheme):
    tls = create_tls_context(authority)
    with run_mail_server(tls_context=tls, implicit=scheme == "smtps", **SERVER_LOGIN) as server:
        create_channel(server.port, scheme, **LOGIN).send(message)

    [received] = server.handler.received
    assert (received.authenticated, received.sender) == (True, "no-reply@id.example.com")
    assert received.recipients == ["ada@example.com"]
    assert received.encrypted or scheme == "smtps"  # where aiosmtpd does not see the TLS


def test_email_has_a_text_and_an_html_part_and_its_headers(create_channel, message):
    with run_mail_server() as server:
        create_channel(server.port).send(message)

    [received] = server.handler.received
    mail = received.mail
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert mail.get_content_type() == "multipart/alternative"
    assert (text.get_content().strip(), html.get_content().strip()) == (
        message.text.strip(),
        message.html,
    )
    assert (mail["From"], mail["To"]) == ("Gatehouse <no-reply@id.example.com>", "ada@example.com")
    assert (mail["Subject"], mail["Auto-Submitted"]) == ("Your code", "auto-generated")
    assert abs(parsedate_to_datetime(mail["Date"]) - clock.now()).total_seconds() < 5


def test_email_keeps_its_message_id_in_all_attempts(create_channel, message):
    with run_mail_server() as server:
        channel = create_channel(server.port)
        for one in (message, message, replace(message, id=crypto.new_id())):
            channel.send(one)

    first, again, other = (r.mail["Message-ID"] for r in server.handler.received)
    assert first == again == f"<{message.id}@id.example.com>"
    assert other != first


def test_email_with_non_ascii_text_is_delivered_unchanged(create_channel, message):
    international = replace(
        message, subject="Bestätigen: 请确认", text="请确认 ä\n.\n..\n" + "x" * 3000
    )
    with run_mail_server() as server:
        create_channel(server.port).send(international)

    [received] = server.handler.received
    text = received.mail.get_body(("plain",)).get_content()
    assert received.content.isascii()
    assert max(map(len, received.content.splitlines())) <= 998  # RFC 5322 section 2.1.1
    assert received.mail["Subject"] == international.subject
    assert text.replace("\r\n", "\n").strip() == international.text


def test_email_to_a_non_ascii_domain_uses_its_ascii_form(create_channel, message):
    with run_mail_server() as server:
        create_channel(server.port).send(replace(message, recipient="ada@bücher.example"))

    [received] = server.handler.received
    assert received.recipients == ["ada@xn--bcher-kva.example"]


@pytest.mark.parametrize("offered", [True, False])
def test_email_to_a_non_ascii_local_part_needs_smtputf8(create_channel, message, offered):
    international = replace(message, recipient="älva@example.com")
    with run_mail_server(enable_SMTPUTF8=offered, decode_data=False) as server:
        channel = create_channel(server.port)
        error = None if offered else send_and_fail(channel, international)
        if offered:
            channel.send(international)

    assert [r.recipients for r in server.handler.received] == [["älva@example.com"]] * offered
    assert error is None or error.permanent


# Connection reuse


def test_connection_is_reused_for_a_batch(create_channel, message):
    with run_mail_server() as server:
        channel = create_channel(server.port)
        for _ in range(10):
            channel.send(message)

    assert (len(server.handler.received), server.handler.connections) == (10, 1)


def test_connection_is_never_shared_by_threads(create_channel, message):
    texts = [f"the text of {number}\n" for number in range(8)]
    with run_mail_server() as server:
        channel = create_channel(server.port)
        sends = [lambda t=text: channel.send(replace(message, text=t)) for text in texts]
        run_in_parallel(*sends)
        run_in_parallel(*sends)

    arrived = [r.mail.get_body(("plain",)).get_content().strip() for r in server.handler.received]
    assert sorted(arrived) == sorted(2 * [text.strip() for text in texts])
    assert server.handler.connections <= 8


def test_connection_that_died_while_idle_is_replaced(create_channel, message):
    port = free_port()
    with run_mail_server(port) as before:
        channel = create_channel(port)
        channel.send(message)
    with run_mail_server(port) as after:
        channel.send(message)

    assert len(before.handler.received) == len(after.handler.received) == 1


def test_connection_that_was_idle_too_long_is_not_reused(create_channel, message):
    with run_mail_server() as server:
        channel = create_channel(server.port, timeouts=Timeouts(command=1, mail=2, idle_timeout=0))
        channel.send(message)
        channel.send(message)

    assert server.handler.connections == 2


def test_connection_is_reused_after_a_rejected_recipient(create_channel, message):
    with run_mail_server() as server:
        channel = create_channel(server.port)
        server.handler.answers["RCPT"] = "550 5.1.1 no such mailbox"
        rejected = send_and_fail(channel, message)
        server.handler.answers.clear()
        channel.send(message)

    assert rejected.permanent
    assert (len(server.handler.received), server.handler.connections) == (1, 1)


# Failures


@pytest.mark.parametrize(
    ("command", "reply", "permanent", "status"),
    [
        ("RCPT", "451 4.7.1 Greylisted, try again", False, "451 4.7.1"),
        ("RCPT", "452 4.2.2 mailbox full", False, "452 4.2.2"),
        ("RCPT", "550 5.1.1 no such user", True, "550 5.1.1"),
        ("RCPT", "530 5.7.0 log in first", False, "530 5.7.0"),
        ("MAIL", "553 5.7.1 not your sender", False, "553 5.7.1"),
        ("MAIL", "421 4.3.2 shutting down", False, "421 4.3.2"),
        ("DATA", "554 5.7.1 It is 31415926. looks like spam", True, "554 5.7.1"),
        ("DATA", "450 busy", False, "450"),
    ],
)
def test_failure_is_permanent_only_after_a_5xx_about_recipient_or_message(
    create_channel, message, command, reply, permanent, status
):
    with run_mail_server() as server:
        server.handler.answers[command] = reply
        error = send_and_fail(create_channel(server.port), message)

    assert (error.permanent, server.handler.received) == (permanent, [])
    assert status in str(error)
    assert "31415926" not in str(error)


def test_server_that_is_down_is_a_temporary_failure(create_channel, message):
    error = send_and_fail(create_channel(free_port()), message)

    assert not error.permanent
    assert "localhost" in str(error)


def send_byte_by_byte(connection):
    """Send single bytes, each of which would restart the timeout of a socket."""
    for _ in range(200):  # ten seconds
        connection.sendall(b"2")
        time.sleep(0.05)


def send_nothing(connection):
    connection.recv(1)


def reply_slowly_to_the_message(connection):
    connection.sendall(b"220 hello\r\n")
    for line in read_lines(connection):
        if line[:4] == b"data":
            break
        connection.sendall(b"250 fine\r\n")
    connection.sendall(b"354 go on\r\n")
    send_byte_by_byte(connection)


@pytest.mark.parametrize("talk", [send_byte_by_byte, send_nothing, reply_slowly_to_the_message])
def test_server_that_is_slow_ends_at_the_deadline(create_channel, message, talk):
    with run_scripted_server(talk) as port:
        started = clock.monotonic()
        error = send_and_fail(
            create_channel(port, timeouts=Timeouts(command=0.3, mail=0.6)), message
        )

    assert clock.monotonic() - started < 8  # it would take ten seconds without a deadline
    assert not error.permanent


def close_during_the_message(connection):
    connection.sendall(b"220 hello\r\n")
    for line in read_lines(connection):
        connection.sendall(b"354 go on\r\n" if line[:4] == b"data" else b"250 fine\r\n")
        if line[:4] == b"data":
            return


def test_server_that_closes_during_a_message_is_not_retried_immediately(create_channel, message):
    connections = []

    def talk(connection):
        connections.append(connection)
        close_during_the_message(connection)

    with run_scripted_server(talk) as port:
        error = send_and_fail(create_channel(port), message)

    assert not error.permanent
    assert len(connections) == 1


def send_garbage(connection):
    connection.sendall(b"\xff\x00<html>not a mail server</html>\r\n" * 100)


def test_server_that_does_not_speak_smtp_is_a_temporary_failure(create_channel, message):
    with run_scripted_server(send_garbage) as port:
        assert not send_and_fail(create_channel(port), message).permanent


# TLS and login


def test_starttls_that_was_stripped_prevents_mail_and_login(create_channel, message, capsys):
    log.configure_logging()
    received_lines = []

    def talk(connection):
        connection.sendall(b"220 hello\r\n")
        for line in read_lines(connection):
            received_lines.append(line)
            connection.sendall(b"250-localhost\r\n250 AUTH PLAIN LOGIN\r\n")

    with run_scripted_server(talk) as port:
        error = send_and_fail(create_channel(port, "smtp", **LOGIN), message)

    [logged] = [line for line in read_log_lines(capsys) if line["level"] == "error"]
    assert not error.permanent
    assert [line.split()[0].lower() for line in received_lines] == [b"ehlo"]
    assert logged["event"] == "TLS with a mail server failed."
    assert "STARTTLS" in logged["reason"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("wrong", ["authority", "host"])
def test_server_with_a_wrong_certificate_receives_nothing(
    create_channel, authority, message, scheme, wrong, capsys
):
    log.configure_logging()
    tls = create_tls_context(authority, "elsewhere.example" if wrong == "host" else "localhost")
    trust = trustme.CA() if wrong == "authority" else authority
    with run_mail_server(tls_context=tls, implicit=scheme == "smtps", **SERVER_LOGIN) as server:
        error = send_and_fail(create_channel(server.port, scheme, trust=trust, **LOGIN), message)

    assert (error.permanent, server.handler.received) == (False, [])
    assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err


def test_login_with_a_wrong_password_is_a_temporary_failure_without_secrets(
    create_channel, authority, message
):
    with run_mail_server(tls_context=create_tls_context(authority), **SERVER_LOGIN) as server:
        channel = create_channel(server.port, "smtp", user=USER, password="wr0ng")
        error = send_and_fail(channel, message)

    assert (error.permanent, server.handler.received) == (False, [])
    assert "535" in str(error)
    assert "wr0ng" not in str(error)
    assert USER not in str(error)


# Header injection


@pytest.mark.requirement("AP-10")
@pytest.mark.parametrize("field", ["recipient", "subject"])
def test_email_with_a_line_break_in_a_header_is_a_permanent_failure(create_channel, message, field):
    with run_mail_server() as server:
        channel = create_channel(server.port)
        for line_break in ("\r\n", "\n", "\r", "\0", "\u2028", "\x85"):
            value = f"{getattr(message, field)}{line_break}Bcc: eve@example.com"
            error = send_and_fail(channel, replace(message, **{field: value}))

            assert error.permanent, repr(line_break)
    assert server.handler.received == []


@pytest.mark.requirement("AP-10")
def test_email_to_anything_but_one_address_is_a_permanent_failure(create_channel, message):
    recipients = [
        "ada@example.com,eve@example.com",
        "ada@example.com eve@example.com",
        "<ada@example.com>",
        "Ada <ada@example.com>",
        "ada@example.com> SIZE=1",
        '"ada@example.com, eve"@example.com',
        "ada",
        "",
        "@",
        "ada@[127.0.0.1]",
    ]
    with run_mail_server() as server:
        channel = create_channel(server.port)
        for recipient in recipients:
            error = send_and_fail(channel, replace(message, recipient=recipient))

            assert error.permanent, recipient
    assert server.handler.received == []


@pytest.mark.requirement("AP-10")
def test_email_text_cannot_end_the_message_and_start_another(create_channel, message):
    smuggled = "hello\r\n.\r\nMAIL FROM:<eve@example.com>\r\nRCPT TO:<eve@example.com>\r\nDATA\r\n"
    bare = "hello\n.\nMAIL FROM:<eve@example.com>\r.\rRCPT TO:<eve@example.com>\n"
    with run_mail_server() as server:
        channel = create_channel(server.port)
        for text in (smuggled, bare):
            channel.send(replace(message, text=text))

    assert [r.recipients for r in server.handler.received] == [["ada@example.com"]] * 2
    assert all("eve@" in r.mail.get_body(("plain",)).get_content() for r in server.handler.received)
