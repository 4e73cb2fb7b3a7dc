"""The guarded way out: where it does not go, and whom it trusts."""

import contextlib
import ssl

import pytest
import trustme

from gatehouse.net.http_client import Call, OutboundFailed, OutboundRefused, send
from tests.loopback import OK, always, serving
from tests.loopback import http as answered
from tests.tokens.forgery import case

pytestmark = [pytest.mark.requirement("RP-08"), pytest.mark.usefixtures("context")]
SPELLINGS = [
    *("127.0.0.1", "127.1", "127.0.0.2", "127.255.255.254", "0", "0.0.0.0", "2130706433"),
    *("0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001", "localhost", "LOCALHOST"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[0:0:0:0:0:0:0:1]", "\u2460\u2461\u2466.0.0.1"),
    *("169.254.169.254", "10.0.0.1", "100.64.0.1", "192.168.0.1", "224.0.0.1", "255.255.255.255"),
    *("[fe80::1]", "[fd00:ec2::254]", "[ff02::1]", "[::ffff:169.254.169.254]"),
]


def certificate(authority, *hosts):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    return context


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


# How the operator says so

CA = trustme.CA()


@pytest.mark.settings(GATEHOUSE_OUTBOUND_ALLOWED="127.0.0.0/8, sms.internal")
@pytest.mark.settings(GATEHOUSE_OUTBOUND_CA=CA.cert_pem.bytes().decode())
def test_the_environment_names_the_exceptions_and_whom_to_trust(names):
    names("sms.internal", ["127.0.0.1"])

    with serving(always(OK), tls=certificate(CA, "sms.internal")) as server:
        assert send(Call("GET", f"https://sms.internal:{server.port}/")).status == 200
