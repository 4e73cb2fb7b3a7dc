"""`flask doctor proxy` against a running service, directly and through proxies, good and bad."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import time_machine
import trustme

from gatehouse.web import proxy_check_token
from tests.cli import forwarding
from tests.cli.forwarding import VISITOR
from tests.conftest import environment, key, running
from tests.live import LiveServer
from tests.stores import free_port

SPOOFED, UNDERSCORED = "203.0.113.7", "203.0.113.8"


@pytest.fixture(scope="module")
def serving(sqlite_store, tmp_path_factory) -> Iterator:
    """Lend the port of a service that trusts so many hops, once for the file."""
    servers = {}

    def serving(hops):
        if hops not in servers:
            wanted = environment(urls[hops]) | {"GATEHOUSE_TRUSTED_HOPS": str(hops)}
            del wanted["GATEHOUSE_PUBLIC_URL"]
            servers[hops] = LiveServer(wanted, tmp_path_factory.mktemp("server") / "server.log")
            servers[hops].start()
        return servers[hops].port

    with sqlite_store.fresh() as first, sqlite_store.fresh() as second:
        urls = {0: first, 1: second}
        yield serving
        for server in servers.values():
            server.kill()


@pytest.fixture
def examine(app):
    """Run the command with the keys of the service; return its exit code and what it said."""

    def examine(*url, on=None):
        result = (on or app).test_cli_runner().invoke(args=["doctor", "proxy", *url])
        return result.exit_code, result.output

    return examine


@pytest.fixture
def through(examine, serving):
    """Run the command through a proxy in front of a service that trusts so many hops."""

    def through(proxy, hops):
        with forwarding.forwarding(serving(hops), proxy) as port:
            return examine(f"http://127.0.0.1:{port}")

    return through


# What is well


def test_asked_directly_a_service_that_trusts_nobody_is_well(examine, serving):
    code, said = examine(f"http://127.0.0.1:{serving(0)}")

    assert code == 0
    assert "Neither made-up address got through" in said
    [derived] = [line for line in said.splitlines() if "visitor's address" in line]
    assert derived.split()[2:] == ["127.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize("proxy", [forwarding.appends, forwarding.overwrites])
def test_behind_one_good_proxy_a_service_that_trusts_one_is_well(through, proxy):
    code, said = through(proxy, hops=1)

    assert code == 0, said
    [derived] = [line for line in said.splitlines() if "visitor's address" in line]
    assert derived.split()[2:] == [VISITOR, VISITOR]


def test_without_a_url_the_public_one_is_asked(settings_environment, examine, serving):
    here = {"GATEHOUSE_PUBLIC_URL": f"http://localhost:{serving(0)}"}
    with running(settings_environment | here) as app:
        code, said = examine(on=app)

    assert code == 0
    assert here["GATEHOUSE_PUBLIC_URL"] in said


def test_the_way_may_be_https(serving, examine, tmp_path, monkeypatch):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with forwarding.forwarding(serving(1), forwarding.appends, context) as port:
        stranger = examine(f"https://localhost:{port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        known = examine(f"https://localhost:{port}")

    assert stranger[0] == 1
    assert "certificate verify failed" in stranger[1]
    assert known[0] == 0, known[1]


# What is not


def test_too_many_hops_are_told(examine, serving):
    code, said = examine(f"http://127.0.0.1:{serving(1)}")

    assert code == 1
    assert "GATEHOUSE_TRUSTED_HOPS is 1, but on this way proxies wrote 0 entries" in said
    assert "set GATEHOUSE_TRUSTED_HOPS to 0" in said


def test_too_few_hops_are_told(through):
    code, said = through(forwarding.appends, hops=0)

    assert code == 1
    assert "Proxies wrote 1 entries of X-Forwarded-For, but GATEHOUSE_TRUSTED_HOPS is 0" in said
    assert "all visitors share the address 127.0.0.1. Set it to 1." in said


def test_a_proxy_that_believes_visitors_is_told(through):
    code, said = through(forwarding.keeps, hops=1)

    assert code == 1
    assert "your proxy keeps what visitors write" in said
    assert SPOOFED in said


def test_underscores_that_got_through_are_told(through):
    code, said = through(forwarding.reads_underscores, hops=1)

    assert code == 1
    assert "X_Forwarded_For, with underscores, got through" in said
    assert UNDERSCORED in said


def test_a_proxy_that_passes_underscores_does_no_harm(through):
    code, said = through(forwarding.passes_everything, hops=1)

    assert code == 0, said


# What cannot be asked


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://localhost/path"])
def test_a_url_that_is_no_origin_is_refused(examine, url):
    code, said = examine(url)

    assert code == 1
    assert said.startswith("Error: URL must ")


def test_nobody_there_is_told(examine):
    code, said = examine(f"http://127.0.0.1:{free_port()}")

    assert code == 1
    assert "does not answer as Gatehouse does: [Errno 111] Connection refused" in said
    assert "Traceback" not in said


def test_a_service_with_other_keys_is_told(examine, serving, settings_environment):
    with running(settings_environment | {"GATEHOUSE_SECRET_KEYS": key(5)}) as stranger:
        code, said = examine(f"http://127.0.0.1:{serving(0)}", on=stranger)

    assert code == 1
    assert "answered 404: it is another service, runs with other GATEHOUSE_SECRET_KEYS" in said


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.1 200 OK\r\n\r\n{}", b"?"]
)
def test_another_service_is_told(examine, answer):
    with answering(b"HTTP/1.1 " + answer) as port:
        code, said = examine(f"http://127.0.0.1:{port}")

    assert code == 1
    assert "does not answer as Gatehouse does" in said


@contextmanager
def answering(text):
    """Lend the port of something that gives everybody the same answer."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            list(iter(self.rfile.readline, b"\r\n"))
            self.wfile.write(text)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


# Who may ask


def check_up(app, proof, method="GET", path=proxy_check_token.PROXY):
    headers = {} if proof is None else {proxy_check_token.HEADER: proof}
    return app.test_client().open(path, method=method, headers=headers)


@pytest.fixture
def proof(app):
    with app.app_context():
        return proxy_check_token.proof()


def test_a_good_proof_opens_the_check_up_for_a_minute(app):
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False) as traveller:
        with app.app_context():
            proof = proxy_check_token.proof()
        statuses = [check_up(app, proof).status_code]
        traveller.shift(60)
        statuses.append(check_up(app, proof).status_code)
        traveller.shift(1)
        statuses.append(check_up(app, proof).status_code)
        traveller.shift(-122)
        statuses.append(check_up(app, proof).status_code)

    assert statuses == [200, 200, 404, 404]


def test_an_older_secret_key_still_proves(settings_environment, proof):
    rings = f"new:{key(5)[5:]},{settings_environment['GATEHOUSE_SECRET_KEYS']}"
    with running(settings_environment | {"GATEHOUSE_SECRET_KEYS": rings}) as app:
        assert check_up(app, proof).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: None,
        lambda proof: "",
        lambda proof: ".",
        lambda proof: proof[:-1],
        lambda proof: proof + "0",
        lambda proof: f"{proof},{proof}",
        lambda proof: str(int(proof[:10]) + 1) + proof[10:],
        lambda proof: f"0{proof}",
        lambda proof: f"+{proof}",
        lambda proof: "9" * 5000 + proof[10:],
        lambda proof: proof.partition(".")[0],
        lambda proof: "\u00b2" + proof,
        lambda proof: proof + "\u00ff",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "HEAD"])
def test_without_a_good_proof_nothing_is_there(app, proof, change, method):
    refused = check_up(app, change(proof), method)
    nowhere = check_up(app, change(proof), method, path="/doctor/nobody")

    assert refused.status_code == nowhere.status_code == 404
    told, elsewhere = refused.get_json(silent=True), nowhere.get_json(silent=True)
    if method != "HEAD":
        assert told.pop("request_id") != elsewhere.pop("request_id")
    assert told == elsewhere
    assert headers(refused) == headers(nowhere)


def headers(answer):
    return {name: value for name, value in answer.headers if name != "X-Request-Id"}
