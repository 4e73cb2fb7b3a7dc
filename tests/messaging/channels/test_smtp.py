"""Mail goes to a real server over TLS, waits where that is in order, and is never half-trusted."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest
import trustme

from gatehouse.core import clock, crypto, log
from gatehouse.messaging.channels.smtp import Patience
from gatehouse.messaging.message import DeliveryFailed
from tests.logged import lines
from tests.mail_server import (
    PASSWORD,
    USER,
    certificate,
    knows_us,
    scripted,
    serving_mail,
)
from tests.stores import free_port
from tests.together import at_once

WHO = {"user": USER, "password": PASSWORD}
LOGIN = {"authenticator": knows_us, "auth_required": True}


def failure(channel, message):
    """Return the failure of a delivery that must fail."""
    with pytest.raises(DeliveryFailed) as failed:
        channel.send(message)
    return failed.value


def lines_of(connection):
    """Yield what the client says, line by line."""
    with connection.makefile("rb") as file:
        yield from file


# How it arrives


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_mail_arrives_by_tls_from_somebody_who_logged_in(mail_to, authority, message, scheme):
    tls = certificate(authority)
    with serving_mail(tls_context=tls, implicit=scheme == "smtps", **LOGIN) as server:
        mail_to(server.port, scheme, **WHO).send(message)

    [received] = server.handler.received
    assert (received.authenticated, received.sender) == (True, "no-reply@id.example.com")
    assert received.recipients == ["ada@example.com"]
    assert received.encrypted or scheme == "smtps"  # where aiosmtpd does not see the TLS


def test_a_mail_has_a_text_and_a_page_and_says_what_it_is(mail_to, message):
    with serving_mail() as server:
        mail_to(server.port).send(message)

    [received] = server.handler.received
    mail = received.mail
    text, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert mail.get_content_type() == "multipart/alternative"
    assert (text.get_content().strip(), page.get_content().strip()) == (
        message.text.strip(),
        message.html,
    )
    assert (mail["From"], mail["To"]) == ("Gatehouse <no-reply@id.example.com>", "ada@example.com")
    assert (mail["Subject"], mail["Auto-Submitted"]) == ("Your code", "auto-generated")
    assert abs(parsedate_to_datetime(mail["Date"]) - clock.now()).total_seconds() < 5


def test_a_mail_keeps_its_message_id_over_all_attempts(mail_to, message):
    with serving_mail() as server:
        channel = mail_to(server.port)
        for one in (message, message, replace(message, id=crypto.new_id())):
            channel.send(one)

    first, again, other = (r.mail["Message-ID"] for r in server.handler.received)
    assert first == again == f"<{message.id}@id.example.com>"
    assert other != first


def test_letters_of_all_languages_arrive(mail_to, message):
    said = replace(message, subject="Bestätigen: 请确认", text="请确认 ä\n.\n..\n" + "x" * 3000)
    with serving_mail() as server:
        mail_to(server.port).send(said)

    [received] = server.handler.received
    text = received.mail.get_body(("plain",)).get_content()
    assert received.content.isascii()
    assert max(map(len, received.content.splitlines())) <= 998  # RFC 5322 section 2.1.1
    assert received.mail["Subject"] == said.subject
    assert text.replace("\r\n", "\n").strip() == said.text


def test_a_domain_beyond_ascii_is_written_in_ascii(mail_to, message):
    with serving_mail() as server:
        mail_to(server.port).send(replace(message, recipient="ada@bücher.example"))

    [received] = server.handler.received
    assert received.recipients == ["ada@xn--bcher-kva.example"]


@pytest.mark.parametrize("offered", [True, False])
def test_an_address_beyond_ascii_needs_a_server_that_takes_it(mail_to, message, offered):
    international = replace(message, recipient="älva@example.com")
    with serving_mail(enable_SMTPUTF8=offered, decode_data=False) as server:
        channel = mail_to(server.port)
        problem = None if offered else failure(channel, international)
        if offered:
            channel.send(international)

    assert [r.recipients for r in server.handler.received] == [["älva@example.com"]] * offered
    assert problem is None or problem.permanent


# One connection for many


def test_a_batch_goes_over_one_connection(mail_to, message):
    with serving_mail() as server:
        channel = mail_to(server.port)
        for _ in range(10):
            channel.send(message)

    assert (len(server.handler.received), server.handler.connections) == (10, 1)


def test_threads_never_share_a_connection(mail_to, message):
    texts = [f"the text of {number}\n" for number in range(8)]
    with serving_mail() as server:
        channel = mail_to(server.port)
        sends = [lambda t=text: channel.send(replace(message, text=t)) for text in texts]
        at_once(*sends)
        at_once(*sends)

    arrived = [r.mail.get_body(("plain",)).get_content().strip() for r in server.handler.received]
    assert sorted(arrived) == sorted(2 * [text.strip() for text in texts])
    assert server.handler.connections <= 8


def test_a_connection_that_died_at_rest_is_opened_anew(mail_to, message):
    port = free_port()
    with serving_mail(port) as before:
        channel = mail_to(port)
        channel.send(message)
    with serving_mail(port) as after:
        channel.send(message)

    assert len(before.handler.received) == len(after.handler.received) == 1


def test_a_connection_that_rested_too_long_is_not_used_again(mail_to, message):
    with serving_mail() as server:
        channel = mail_to(server.port, patience=Patience(command=1, mail=2, rest=0))
        channel.send(message)
        channel.send(message)

    assert server.handler.connections == 2


def test_a_refused_recipient_does_not_spoil_the_connection(mail_to, message):
    with serving_mail() as server:
        channel = mail_to(server.port)
        server.handler.answers["RCPT"] = "550 5.1.1 nobody here"
        refused = failure(channel, message)
        server.handler.answers.clear()
        channel.send(message)

    assert refused.permanent
    assert (len(server.handler.received), server.handler.connections) == (1, 1)


# Bad days


@pytest.mark.parametrize(
    ("command", "answer", "permanent", "told"),
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
def test_a_refusal_is_final_only_if_it_is_about_the_recipient(
    mail_to, message, command, answer, permanent, told
):
    with serving_mail() as server:
        server.handler.answers[command] = answer
        problem = failure(mail_to(server.port), message)

    assert (problem.permanent, server.handler.received) == (permanent, [])
    assert told in str(problem)
    assert "31415926" not in str(problem)


def test_a_server_that_is_down_is_waited_for(mail_to, message):
    problem = failure(mail_to(free_port()), message)

    assert not problem.permanent
    assert "localhost" in str(problem)


def drip(connection):
    """Never stop talking: each byte would start the timeout of a socket anew."""
    for _ in range(200):
        connection.sendall(b"2")
        time.sleep(0.05)


def silence(connection):
    connection.recv(1)


def slow_after_the_message(connection):
    connection.sendall(b"220 hello\r\n")
    for line in lines_of(connection):
        if line[:4] == b"data":
            break
        connection.sendall(b"250 fine\r\n")
    connection.sendall(b"354 go on\r\n")
    drip(connection)


@pytest.mark.parametrize("talk", [drip, silence, slow_after_the_message])
def test_a_slow_server_holds_nobody_up(mail_to, message, talk):
    with scripted(talk) as port:
        started = clock.monotonic()
        problem = failure(mail_to(port, patience=Patience(command=0.3, mail=0.6)), message)

    assert clock.monotonic() - started < 1.5
    assert not problem.permanent


def closing_mid_message(connection):
    connection.sendall(b"220 hello\r\n")
    for line in lines_of(connection):
        connection.sendall(b"354 go on\r\n" if line[:4] == b"data" else b"250 fine\r\n")
        if line[:4] == b"data":
            return


def test_a_server_that_hangs_up_in_the_middle_is_tried_again_later_and_not_at_once(
    mail_to, message
):
    calls = []

    def talk(connection):
        calls.append(threading.get_ident())
        closing_mid_message(connection)

    with scripted(talk) as port:
        problem = failure(mail_to(port), message)

    assert not problem.permanent
    assert len(calls) == 1


def garbage(connection):
    connection.sendall(b"\xff\x00<html>not a mail server</html>\r\n" * 100)


def test_what_is_no_mail_server_gets_no_mail(mail_to, message):
    with scripted(garbage) as port:
        assert not failure(mail_to(port), message).permanent


# Whom it trusts


def test_where_starttls_was_taken_away_neither_mail_nor_password_is_told(mail_to, message, capsys):
    log.set_up()
    heard = []

    def talk(connection):
        connection.sendall(b"220 hello\r\n")
        for line in lines_of(connection):
            heard.append(line)
            connection.sendall(b"250-localhost\r\n250 AUTH PLAIN LOGIN\r\n")

    with scripted(talk) as port:
        problem = failure(mail_to(port, "smtp", **WHO), message)

    [told] = [line for line in lines(capsys) if line["level"] == "error"]
    assert not problem.permanent
    assert [line.split()[0].lower() for line in heard] == [b"ehlo"]
    assert told["event"] == "A mail server is not to be trusted."
    assert "STARTTLS" in told["reason"]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
@pytest.mark.parametrize("wrong", ["authority", "host"])
def test_a_server_with_a_wrong_certificate_gets_nothing(
    mail_to, authority, message, scheme, wrong, capsys
):
    log.set_up()
    tls = certificate(authority, "elsewhere.example" if wrong == "host" else "localhost")
    trust = trustme.CA() if wrong == "authority" else authority
    with serving_mail(tls_context=tls, implicit=scheme == "smtps", **LOGIN) as server:
        problem = failure(mail_to(server.port, scheme, trust=trust, **WHO), message)

    assert (problem.permanent, server.handler.received) == (False, [])
    assert "CERTIFICATE_VERIFY_FAILED" in capsys.readouterr().err


def test_a_wrong_password_is_our_mistake_and_stands_in_no_failure(mail_to, authority, message):
    with serving_mail(tls_context=certificate(authority), **LOGIN) as server:
        channel = mail_to(server.port, "smtp", user=USER, password="wr0ng")
        problem = failure(channel, message)

    assert (problem.permanent, server.handler.received) == (False, [])
    assert "535" in str(problem)
    assert "wr0ng" not in str(problem)
    assert USER not in str(problem)


# Nobody else's headers


@pytest.mark.requirement("AP-10")
@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\0", "\u2028", "\x85"])
@pytest.mark.parametrize("place", ["recipient", "subject"])
def test_no_line_is_broken_by_what_a_mail_is_about(mail_to, message, break_, place):
    value = f"{getattr(message, place)}{break_}Bcc: eve@example.com"
    with serving_mail() as server:
        problem = failure(mail_to(server.port), replace(message, **{place: value}))

    assert problem.permanent
    assert server.handler.received == []


@pytest.mark.requirement("AP-10")
@pytest.mark.parametrize(
    "recipient",
    [
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
    ],
)
def test_a_mail_goes_to_one_address_or_to_nobody(mail_to, message, recipient):
    with serving_mail() as server:
        problem = failure(mail_to(server.port), replace(message, recipient=recipient))

    assert (problem.permanent, server.handler.received) == (True, [])


@pytest.mark.requirement("AP-10")
def test_a_text_cannot_end_the_mail_and_begin_another(mail_to, message):
    smuggled = "hello\r\n.\r\nMAIL FROM:<eve@example.com>\r\nRCPT TO:<eve@example.com>\r\nDATA\r\n"
    bare = "hello\n.\nMAIL FROM:<eve@example.com>\r.\rRCPT TO:<eve@example.com>\n"
    with serving_mail() as server:
        channel = mail_to(server.port)
        for text in (smuggled, bare):
            channel.send(replace(message, text=text))

    assert [r.recipients for r in server.handler.received] == [["ada@example.com"]] * 2
    assert all("eve@" in r.mail.get_body(("plain",)).get_content() for r in server.handler.received)
