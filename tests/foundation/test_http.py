"""The guarded way out: where it does not go, and what it does not take."""

import contextlib
import gzip
import itertools
import socket
import ssl
import time
from dataclasses import replace

import pytest
import trustme

from gatehouse.foundation.http import Call, OutboundFailed, OutboundRefused, send
from gatehouse.options.readers import destinations
from tests.loopback import http as answered
from tests.loopback import serving
from tests.tokens.forgery import case

pytestmark = pytest.mark.requirement("RP-08")
OK = answered(b"ok", X_Kind="good")
SPELLINGS = [
    *("127.0.0.1", "127.1", "127.0.0.2", "127.255.255.254", "0", "0.0.0.0", "2130706433"),
    *("0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001", "localhost", "LOCALHOST"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[0:0:0:0:0:0:0:1]", "\u2460\u2461\u2466.0.0.1"),
    *("169.254.169.254", "10.0.0.1", "100.64.0.1", "192.168.0.1", "224.0.0.1", "255.255.255.255"),
    *("[fe80::1]", "[fd00:ec2::254]", "[ff02::1]", "[::ffff:169.254.169.254]"),
]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(autouse=True)
def context(app):
    with app.app_context():
        yield


@pytest.fixture
def allow(app):
    """Allow-list hosts and networks, and perhaps trust an authority."""

    def allow(*entries, ca=None):
        more = {"outbound_ca": ca.cert_pem.bytes().decode()} if ca else {}
        settings = app.extensions["gatehouse.settings"]
        allowed = destinations(",".join(entries))
        app.extensions["gatehouse.settings"] = replace(settings, outbound_allowed=allowed, **more)

    return allow


@pytest.fixture
def names(monkeypatch):
    """Names that resolve to what a test says: each time to the next of its answers."""
    known, asked, real = {}, [], socket.getaddrinfo

    def resolve(host, port, *rest, **more):
        if host not in known:
            return real(host, port, *rest, **more)
        asked.append(host)
        found = next(known[host])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    def name(host, *answers):
        known[host] = itertools.chain(answers, itertools.repeat(answers[-1]))
        return asked

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return name


def certificate(authority, *hosts):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    return context


def always(*pieces):
    return lambda head: pieces


# Where it does not go


@pytest.mark.parametrize("host", SPELLINGS)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_nothing_on_this_machine_or_beside_it_is_called(host, scheme):
    with serving(always(OK)) as v4, serving(always(OK), "::1") as v6:
        for port in (v4.port, v6.port):
            with pytest.raises(OutboundRefused):
                send(Call("GET", f"{scheme}://{host}:{port}/"))

    assert v4.connections == v6.connections == 0


@pytest.mark.parametrize("order", [1, -1])
def test_one_address_that_is_not_public_spoils_the_name(names, order):
    with serving(always(OK)) as server:
        names("mixed.example", ["93.184.216.34", "127.0.0.1"][::order])

        with pytest.raises(OutboundRefused, match=r"mixed.example has an address that is not"):
            send(Call("GET", f"https://mixed.example:{server.port}/"))

    assert server.connections == 0


def test_the_address_that_was_checked_is_the_one_that_is_called(names, allow, authority):
    tls = certificate(authority, "rebinding.example")
    with contextlib.ExitStack() as servers:
        checked = servers.enter_context(serving(always(OK), "127.0.0.2", tls=tls))
        inside = servers.enter_context(serving(always(OK), port=checked.port, tls=tls))
        allow("127.0.0.2", ca=authority)
        asked = names("rebinding.example", ["127.0.0.2"], ["127.0.0.1"])

        answer = send(Call("GET", f"https://rebinding.example:{checked.port}/"))

    assert answer.body == b"ok"
    assert (checked.connections, inside.connections, len(asked)) == (1, 0, 1)
    assert f"Host: rebinding.example:{checked.port}" in checked.requests[0]


def test_an_allow_listed_network_is_no_way_into_another(names, allow):
    with serving(always(OK)) as server:
        allow("127.0.0.2", "10.0.0.0/8")
        names("rebinding.example", ["127.0.0.2", "127.0.0.1"])

        with pytest.raises(OutboundRefused):
            send(Call("GET", f"https://rebinding.example:{server.port}/"))

    assert server.connections == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Again", "308 Moved"])
def test_a_redirect_is_an_answer_and_is_not_followed(allow, status):
    with serving(always(OK)) as inside:
        where = f"http://127.0.0.1:{inside.port}/"
        with serving(always(answered(b"x", status, Location=where)), "127.0.0.2") as server:
            allow("127.0.0.2")
            answer = send(Call("GET", f"http://127.0.0.2:{server.port}/"))

    assert (answer.status, answer.headers["location"]) == (int(status[:3]), where)
    assert (server.connections, inside.connections) == (1, 0)


def test_plain_http_is_for_those_who_are_allow_listed(names, allow):
    names("sms.internal", ["127.0.0.1"])
    names("other.internal", ["127.0.0.1"])
    with serving(always(OK)) as server:
        port = server.port
        lists = [["sms.internal"], ["SMS.internal."], [f"sms.internal:{port}"]]
        for entries in (*lists, ["127.0.0.0/8", "sms.internal"]):
            allow(*entries)
            assert send(Call("GET", f"http://sms.internal:{port}/")).status == 200
        for entries in ([], ["other.internal"], [f"sms.internal:{port + 1}"], ["127.0.0.0/8"]):
            allow(*entries)
            with case(entries=entries), pytest.raises(OutboundRefused, match="only called by http"):
                send(Call("GET", f"http://sms.internal:{port}/"))

    assert server.connections == 4


@pytest.mark.parametrize(
    "url",
    [
        *("", "x", "//127.0.0.1/", "https://", "https:///x", "https://:443/", "https://[::1", "https://a:b/"),
        *("file:///etc/passwd", "ftp://ftp.example/", "gopher://x:25/", "unix:///x", "data:,x"),
        *("https://user@example.com/", "https://user:secret@example.com/"),
        *("https://exa mple.com/", "https://*.example/", "https://\u2028/"),
    ],
)  # fmt: skip
def test_what_is_no_https_address_is_not_called(url):
    with pytest.raises(OutboundRefused) as refused:
        send(Call("GET", url))

    assert "secret" not in str(refused.value)


def test_a_header_cannot_bring_another(allow):
    with serving(always(OK)) as server:
        allow("127.0.0.1")
        with pytest.raises(OutboundRefused):
            send(Call("GET", f"http://127.0.0.1:{server.port}/", {"X-A": "1\r\nX-B: 2"}))

    assert server.connections == 0


def test_no_proxy_and_no_password_comes_from_the_environment(allow, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ada password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(always(OK)) as proxy, serving(always(OK)) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{proxy.port}")
        allow("127.0.0.1")

        assert send(Call("GET", f"http://127.0.0.1:{server.port}/")).status == 200
        with pytest.raises(OutboundFailed):
            send(Call("GET", f"https://127.0.0.1:{server.port}/", seconds=0.3))

    assert proxy.connections == 0
    assert "Authorization" not in server.requests[0]


# TLS


def test_a_private_authority_can_be_trusted(names, allow, authority):
    names("sms.internal", ["127.0.0.1"])
    with serving(always(OK), tls=certificate(authority, "sms.internal")) as server:
        allow("sms.internal", ca=authority)

        assert send(Call("GET", f"https://sms.internal:{server.port}/")).body == b"ok"


@pytest.mark.parametrize(("issued_for", "trusted"), [("sms.internal", False), ("other", True)])
def test_a_wrong_certificate_gets_no_request(names, allow, authority, issued_for, trusted):
    names("sms.internal", ["127.0.0.1"])
    with serving(always(OK), tls=certificate(authority, issued_for)) as server:
        allow("sms.internal", ca=authority if trusted else None)

        with pytest.raises(OutboundFailed, match=r"sms.internal could not be asked \(SSLError\)"):
            send(Call("GET", f"https://sms.internal:{server.port}/?secret"))

    assert server.requests == []


# What it does not take


@pytest.fixture
def ask(allow):
    """Send a request to a server that answers in some way."""
    with contextlib.ExitStack() as servers:

        def ask(answer, **call):
            server = servers.enter_context(serving(answer))
            allow("127.0.0.1")
            return send(Call("GET", f"http://127.0.0.1:{server.port}/?secret", **call))

        yield ask


def endless(head):
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    while True:
        yield b"x" * 65536


def drip(start, drop, pause=0.05):
    """Answer drop by drop, so that no single one is late."""

    def answer(head):
        yield start
        while True:
            time.sleep(pause)
            yield drop

    return answer


def test_an_endless_answer_ends_at_its_size(ask):
    with pytest.raises(OutboundFailed, match=r"127.0.0.1 sent more than 100000 bytes"):
        ask(endless, most=100_000)


def test_an_answer_may_be_exactly_as_large_as_it_may_be(ask):
    assert ask(always(answered(b"x" * 100)), most=100).body == b"x" * 100
    with pytest.raises(OutboundFailed, match="more than 99 bytes"):
        ask(always(answered(b"x" * 100)), most=99)


SLOW = {
    "silence": drip(b"", b"", 0.05),
    "a slow status": drip(b"HTTP/1.1 200 ", b"O"),
    "a slow header": drip(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "endless headers": drip(b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n"),
    "continue for ever": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a slow body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "a slow body without a length": drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "slow chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.mark.parametrize("slowness", SLOW)
def test_a_slow_answer_ends_at_its_deadline(ask, slowness):
    began = time.monotonic()

    with pytest.raises(OutboundFailed, match=r"127.0.0.1 took longer than 0.3 seconds"):
        ask(SLOW[slowness], seconds=0.3)

    assert 0.3 <= time.monotonic() - began < 1.5


def test_a_slow_handshake_ends_at_its_deadline(allow):
    with serving(drip(b"", b"")) as server:
        allow("127.0.0.1")
        with pytest.raises(OutboundFailed, match="took longer"):
            send(Call("GET", f"https://127.0.0.1:{server.port}/", seconds=0.3))


def test_a_slow_resolver_ends_at_the_deadline(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *about, **more: time.sleep(1))
    began = time.monotonic()

    with pytest.raises(OutboundFailed, match=r"slow.example took longer"):
        send(Call("GET", "https://slow.example/", seconds=0.2))

    assert time.monotonic() - began < 0.8


@pytest.mark.parametrize("status", ["200 OK", "302 Found"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "GZIP"])
def test_a_packed_answer_is_not_unpacked(ask, encoding, status):
    bomb = gzip.compress(bytes(10_000_000))
    packed = answered(bomb, status, Content_Encoding=encoding, Location="/x")

    with pytest.raises(OutboundFailed, match="packed"):
        ask(always(packed))


@pytest.mark.parametrize("broken", [b"", b"x", b"HTTP/1.1 x\r\n\r\n", OK[:-1]])
def test_a_broken_answer_is_none(ask, broken):
    with pytest.raises(OutboundFailed, match=r"could not be asked \(\w+\)") as failed:
        ask(always(broken))

    assert "secret" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_no_cookie_is_kept(allow):
    with serving(always(answered(b"", Set_Cookie="a=b; Path=/"))) as server:
        allow("127.0.0.1")
        for _ in range(2):
            send(Call("GET", f"http://127.0.0.1:{server.port}/"))

    assert not any("Cookie" in request for request in server.requests)


# What it does


def test_a_request_says_what_it_shall_and_the_answer_comes_whole(allow):
    with serving(always(OK)) as server:
        allow("127.0.0.1")
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        answer = send(Call("POST", f"http://127.0.0.1:{server.port}/a?b=c", headers, b'{"d": 1}'))

    assert (answer.status, answer.headers["x-kind"], answer.body) == (200, "good", b"ok")
    assert server.requests[0].startswith("POST /a?b=c HTTP/1.1\r\n")
    for line in ("Content-Type: application/json", "Content-Length: 8", "User-Agent: Gatehouse"):
        assert f"\r\n{line}\r\n" in server.requests[0]
    assert "Accept-Encoding: identity" in server.requests[0]
    assert "gzip" not in server.requests[0]


def test_the_next_address_is_tried_when_one_does_not_answer(names, allow):
    with serving(always(OK), "127.0.0.3") as server:
        names("sms.internal", ["127.0.0.2", "127.0.0.3"])
        allow("sms.internal")

        assert send(Call("GET", f"http://sms.internal:{server.port}/")).status == 200


def test_nobody_there_is_told_in_a_sentence(names, allow):
    allow("127.0.0.1", "nowhere.internal")
    names("nowhere.internal", [])
    with serving(always(OK)) as server:
        port = server.port

    for host in ("127.0.0.1", "nowhere.internal"):
        with pytest.raises(OutboundFailed, match=rf"^{host} could not be asked \(\w+\)\.$"):
            send(Call("GET", f"http://{host}:{port}/"))


def test_a_name_without_an_address_is_told_in_a_sentence(monkeypatch):
    def fail(*about, **more):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    with pytest.raises(OutboundFailed, match=r"^nowhere.example has no address\.$"):
        send(Call("GET", "https://nowhere.example/"))


def test_a_refusal_is_a_failure_so_that_one_clause_catches_both():
    assert issubclass(OutboundRefused, OutboundFailed)
