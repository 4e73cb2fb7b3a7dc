"""`gatehouse doctor mail`: a test mail by each server, and sentences that explain what failed."""

from __future__ import annotations

import pytest
import trustme

from tests.cli.test_diagnosis import diagnose, sentences
from tests.conftest import running
from tests.mail_server import (
    USER,
    check_credentials,
    create_tls_context,
    run_mail_server,
    run_scripted_server,
)
from tests.servers import free_port

QUOTED_PASSWORD = "p%40ss%3Aword%2F42"
SERVER_LOGIN = {"authenticator": check_credentials, "auth_required": True}
pytestmark = pytest.mark.settings(GATEHOUSE_RATE_LIMITS="on")


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def send(settings_environment, authority):
    """Run `gatehouse doctor mail` with an SMTP_URL, in development; return status and output."""

    def send(url, recipient="ada@example.com", **more):
        bundle = {"GATEHOUSE_CA_BUNDLE": authority.cert_pem.bytes().decode()}
        with running(settings_environment | {"SMTP_URL": url} | bundle | more) as app:
            result = app.test_cli_runner().invoke(args=["doctor", "mail", recipient])
            check = diagnose(app)[1]["mail"]
        return result.exit_code, result.output, check

    return send


def test_test_mail_arrives_and_says_where_to_look(send, authority):
    tls = create_tls_context(authority)
    with run_mail_server(tls_context=tls, **SERVER_LOGIN) as server:
        url = f"smtp://{USER}:{QUOTED_PASSWORD}@localhost:{server.port}"
        code, output, check = send(url)

    assert code == 0, output
    assert "accepted the mail to ada@example.com" in output
    assert check["status"] == "ok"
    [received] = server.handler.received
    assert received.authenticated
    assert received.recipients == ["ada@example.com"]


@pytest.mark.requirement("CF-05")
def test_test_mail_explains_what_failed(send, authority):
    tls, foreign = create_tls_context(authority), create_tls_context(trustme.CA())
    wrong_name = create_tls_context(authority, "mail.example.com")
    with (
        run_mail_server(tls_context=tls, **SERVER_LOGIN) as good,
        run_mail_server(tls_context=foreign) as untrusted,
        run_mail_server(tls_context=wrong_name) as misnamed,
        run_mail_server() as plain,
        run_scripted_server(lambda connection: connection.sendall(b"")) as closing,
    ):
        cases = {
            f"smtp://localhost:{free_port()}": "refuses the connection",
            f"smtp://{USER}:wrong@localhost:{good.port}": "rejects the user or the password",
            f"smtp://localhost:{untrusted.port}": "has a certificate that is not trusted",
            f"smtp://localhost:{misnamed.port}": "has a certificate that is not trusted",
            f"smtp://localhost:{plain.port}": "does not offer the encryption",
            f"smtps://localhost:{plain.port}": "does not offer the encryption",
            f"insecure-smtp://localhost:{closing}": "closed the connection",
        }
        for url, sentence in cases.items():
            code, output, check = send(url)

            assert code == 1, url
            assert f"localhost:{url.rpartition(':')[2]} {sentence}" in output, url
            assert sentence in sentences(check), url
            assert "Traceback" not in output


def test_test_mail_explains_rejected_senders_and_recipients(send):
    with run_mail_server() as server:
        url = f"insecure-smtp://localhost:{server.port}"
        server.handler.answers["RCPT"] = "550 5.1.1 no such user"
        recipient = send(url)
        server.handler.answers = {"MAIL": "553 5.7.1 not yours"}
        sender = send(url)
        not_an_address = send(url, "ada")

    assert "rejects the recipient" in recipient[1]
    assert "(550 5.1.1)" in recipient[1]
    assert recipient[2]["status"] == "ok"  # the login alone succeeds
    assert "GATEHOUSE_MAIL_FROM" in sender[1]
    assert "not an e-mail address" in not_an_address[1]
    assert {code for code, *_ in (recipient, sender, not_an_address)} == {1}


def test_test_mail_needs_a_mail_server(app):
    result = app.test_cli_runner().invoke(args=["doctor", "mail", "ada@example.com"])

    assert result.exit_code == 1
    assert "set SMTP_URL" in result.output
