"""`gatehouse doctor proxy` against a running service, directly and through proxies."""

from __future__ import annotations

import itertools
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import time_machine
import trustme

from gatehouse.web import proxy_check_token
from tests.cli import proxies
from tests.cli.proxies import CLIENT_IP_ADDRESS, run_proxy
from tests.conftest import environment, key, running
from tests.live_server import LiveServer
from tests.servers import free_port
from tests.tls_relay import tls_relay

SPOOFED, UNDERSCORED = "203.0.113.7", "203.0.113.8"


@pytest.fixture(scope="module")
def start_service(sqlite_store, tmp_path_factory) -> Iterator:
    """Return the port of a service: start_service(trusted hops); started once for this module."""
    servers = {}

    def start_service(hops):
        if hops not in servers:
            wanted = environment(urls[hops]) | {"GATEHOUSE_TRUSTED_HOPS": str(hops)}
            del wanted["GATEHOUSE_PUBLIC_URL"]
            servers[hops] = LiveServer(wanted, tmp_path_factory.mktemp("server") / "server.log")
            servers[hops].start()
        return servers[hops].port

    with sqlite_store.fresh() as first, sqlite_store.fresh() as second:
        urls = {0: first, 1: second}
        yield start_service
        for server in servers.values():
            server.kill()


@pytest.fixture
def check_proxy(app):
    """Run the command with the keys of the service: check_proxy(url) -> exit code, output."""

    def check_proxy(*url, by=None):
        result = (by or app).test_cli_runner().invoke(args=["doctor", "proxy", *url])
        return result.exit_code, result.output

    return check_proxy


@pytest.fixture
def check_through(check_proxy, start_service):
    """Run the command through a proxy: check_through(rewrite, trusted hops of the service)."""

    def check_through(rewrite, hops):
        with run_proxy(start_service(hops), rewrite) as port:
            return check_proxy(f"http://127.0.0.1:{port}")

    return check_through


# Correct configurations


def derived_ip_addresses(output):
    """Return the client IP addresses of the two requests."""
    [line] = [line for line in output.splitlines() if "client's IP address" in line]
    return line.split()[3:]


def test_check_passes_for_a_service_without_proxies(check_proxy, start_service):
    code, output = check_proxy(f"http://127.0.0.1:{start_service(0)}")

    assert code == 0
    assert "Neither invented IP address got through" in output
    assert derived_ip_addresses(output) == ["127.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize("rewrite", [proxies.append, proxies.overwrite])
def test_check_passes_behind_one_proxy_with_one_trusted_hop(check_through, rewrite):
    code, output = check_through(rewrite, hops=1)

    assert code == 0, output
    assert derived_ip_addresses(output) == [CLIENT_IP_ADDRESS, CLIENT_IP_ADDRESS]


def test_check_uses_the_public_url_by_default(settings_environment, check_proxy, start_service):
    public_url = f"http://localhost:{start_service(0)}"
    with running(settings_environment | {"GATEHOUSE_PUBLIC_URL": public_url}) as app:
        code, output = check_proxy(by=app)

    assert code == 0
    assert public_url in output


def test_check_by_https_verifies_the_certificate(start_service, check_proxy, tmp_path, monkeypatch):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with run_proxy(start_service(1), proxies.append, context) as port:
        untrusted = check_proxy(f"https://localhost:{port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        trusted = check_proxy(f"https://localhost:{port}")

    assert untrusted[0] == 1
    assert "certificate verify failed" in untrusted[1]
    assert trusted[0] == 0, trusted[1]


# Incorrect configurations


def test_check_reports_too_many_trusted_hops(check_proxy, start_service):
    code, output = check_proxy(f"http://127.0.0.1:{start_service(1)}")

    assert code == 1
    assert "GATEHOUSE_TRUSTED_HOPS is 1, but proxies on this path wrote 0 entries" in output
    assert "set GATEHOUSE_TRUSTED_HOPS to 0" in output


def test_check_reports_too_few_trusted_hops(check_through):
    code, output = check_through(proxies.append, hops=0)

    assert code == 1
    assert "Proxies wrote 1 entries of X-Forwarded-For, but GATEHOUSE_TRUSTED_HOPS is 0" in output
    assert "all clients share the IP address 127.0.0.1. Set it to 1." in output


def test_check_reports_a_proxy_that_trusts_the_header_of_clients(check_through):
    code, output = check_through(proxies.trust_clients, hops=1)

    assert code == 1
    assert "your proxy keeps what clients send" in output
    assert SPOOFED in output


def test_check_reports_a_proxy_that_reads_underscores_as_hyphens(check_through):
    code, output = check_through(proxies.read_underscores_as_hyphens, hops=1)

    assert code == 1
    assert "X_Forwarded_For, with underscores, got through" in output
    assert UNDERSCORED in output


def test_check_passes_behind_a_proxy_that_forwards_underscores(check_through):
    code, output = check_through(proxies.append_and_pass_underscores, hops=1)

    assert code == 0, output


# Errors


def test_check_rejects_a_url_that_is_not_an_origin(check_proxy):
    for url in ("localhost:8000", "ftp://localhost", "http://localhost/path"):
        code, output = check_proxy(url)

        assert code == 1, url
        assert output.startswith("Error: URL must "), url


def test_check_reports_a_server_that_cannot_be_reached(check_proxy):
    code, output = check_proxy(f"http://127.0.0.1:{free_port()}")

    assert code == 1
    assert "does not respond like Gatehouse: [Errno 111] Connection refused" in output
    assert "Traceback" not in output


def test_check_reports_a_service_with_other_secret_keys(
    check_proxy, start_service, settings_environment
):
    with running(settings_environment | {"GATEHOUSE_SECRET_KEYS": key(5)}) as other_app:
        code, output = check_proxy(f"http://127.0.0.1:{start_service(0)}", by=other_app)

    assert code == 1
    assert (
        "responded with 404: it is another service, runs with other GATEHOUSE_SECRET_KEYS" in output
    )


def test_check_reports_another_service(check_proxy):
    for response in (b"200 OK\r\n\r\nhello", b"200 OK\r\n\r\n{}", b"?"):
        with respond_with(b"HTTP/1.1 " + response) as port:
            code, output = check_proxy(f"http://127.0.0.1:{port}")

        assert code == 1, response
        assert "does not respond like Gatehouse" in output, response


def test_check_trusts_the_authorities_of_the_setting(settings_environment, start_service):
    authority = trustme.CA()
    bundle = {"GATEHOUSE_CA_BUNDLE": authority.cert_pem.bytes().decode()}
    codes = []
    with tls_relay(authority, start_service(0)) as port:
        for settings in (settings_environment, settings_environment | bundle):
            with running(settings) as app:
                url = f"https://localhost:{port}"
                result = app.test_cli_runner().invoke(args=["doctor", "proxy", url])
                codes.append((result.exit_code, "CERTIFICATE_VERIFY_FAILED" in result.output))

    assert codes == [(1, True), (0, False)]


@contextmanager
def respond_with(text):
    """Run a server that sends the same response to every request; yield its port."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            list(iter(self.rfile.readline, b"\r\n"))
            self.wfile.write(text)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


# The token of the endpoint


def request_report(app, token, method="GET", path=proxy_check_token.PROXY_CHECK_PATH):
    headers = {} if token is None else {proxy_check_token.TOKEN_HEADER: token}
    return app.test_client().open(path, method=method, headers=headers)


@pytest.fixture
def token(app):
    with app.app_context():
        return proxy_check_token.sign()


def test_token_is_valid_for_a_minute(app):
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        with app.app_context():
            token = proxy_check_token.sign()
        statuses = [request_report(app, token).status_code]
        traveller.shift(60)
        statuses.append(request_report(app, token).status_code)
        traveller.shift(1)
        statuses.append(request_report(app, token).status_code)
        traveller.shift(-122)
        statuses.append(request_report(app, token).status_code)

    assert statuses == [200, 200, 404, 404]


def test_token_of_an_older_secret_key_is_valid(settings_environment, token):
    rings = f"new:{key(5)[5:]},{settings_environment['GATEHOUSE_SECRET_KEYS']}"
    with running(settings_environment | {"GATEHOUSE_SECRET_KEYS": rings}) as app:
        assert request_report(app, token).status_code == 200


def test_without_a_valid_token_the_endpoint_responds_like_an_unknown_path(app, token):
    path, timestamp, signature = token.split(".")
    tokens = [None, "", ".", token[:-1], f"{token}0", f"{token},{token}", f"0{token}", f"+{token}"]
    tokens += [
        f"{path}.{moment}.{signature}" for moment in ("", "AAAA", f"{timestamp}A", "9" * 5000)
    ]
    tokens += [path, f"{path}.{timestamp}", f"\u00b2{token}", f"{token}\u00ff", f"{token}="]
    methods = ("GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "HEAD")

    for invalid, method in itertools.product(tokens, methods):
        found = request_report(app, invalid, method)
        unknown = request_report(app, invalid, method, path="/doctor/unknown")

        assert found.status_code == unknown.status_code == 404, (invalid, method)
        assert comparable(found) == comparable(unknown), (invalid, method)


def comparable(response):
    """Return headers and JSON of a response, without the request id that both contain."""
    headers = {name: value for name, value in response.headers if name != "X-Request-Id"}
    document = response.get_json(silent=True)
    if response.request.method != "HEAD":
        assert document.pop("request_id") == response.headers["X-Request-Id"]
    return headers, document
