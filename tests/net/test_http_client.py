"""The outbound HTTP client: blocked URLs and addresses, and TLS."""

import contextlib
import ssl
from itertools import product

import pytest
import trustme

from gatehouse.net.http_client import (
    HttpRequest,
    OutboundRequestBlocked,
    OutboundRequestFailed,
    send_request,
)
from tests.loopback_server import OK, http_response, loopback_server, respond_with
from tests.tokens.forgery import case

pytestmark = [pytest.mark.requirement("RP-08"), pytest.mark.usefixtures("context")]
INTERNAL_HOSTS = [
    *("127.0.0.1", "127.1", "127.0.0.2", "127.255.255.254", "0", "0.0.0.0", "2130706433"),
    *("0x7f.1", "0x7f000001", "0177.0.0.1", "017700000001", "localhost", "LOCALHOST"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[0:0:0:0:0:0:0:1]", "\u2460\u2461\u2466.0.0.1"),
    *("169.254.169.254", "10.0.0.1", "100.64.0.1", "192.168.0.1", "224.0.0.1", "255.255.255.255"),
    *("[fe80::1]", "[fd00:ec2::254]", "[ff02::1]", "[::ffff:169.254.169.254]"),
]
BLOCKED_URLS = [
    *("", "x", "//127.0.0.1/", "https://", "https:///x", "https://:443/", "https://[::1"),
    *("https://a:b/", "file:///etc/passwd", "ftp://ftp.example/", "gopher://x:25/", "unix:///x"),
    *("data:,x", "https://user@example.com/", "https://user:secret@example.com/"),
    *("https://exa mple.com/", "https://*.example/", "https://\u2028/"),
]


def server_context(authority, *hosts):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    return context


# Blocked destinations


def test_internal_host_is_blocked_in_every_spelling():
    with loopback_server(respond_with(OK)) as v4, loopback_server(respond_with(OK), "::1") as v6:
        ports = (v4.port, v6.port)
        for host, scheme, port in product(INTERNAL_HOSTS, ["https", "http"], ports):
            with case(host=host, scheme=scheme), pytest.raises(OutboundRequestBlocked):
                send_request(HttpRequest("GET", f"{scheme}://{host}:{port}/"))

    assert v4.connections == v6.connections == 0


@pytest.mark.parametrize("order", [1, -1])
def test_host_with_one_non_public_address_is_blocked(resolve_names, order):
    with loopback_server(respond_with(OK)) as server:
        resolve_names("mixed.example", ["93.184.216.34", "127.0.0.1"][::order])

        with pytest.raises(
            OutboundRequestBlocked, match=r"mixed.example has an IP address that is not"
        ):
            send_request(HttpRequest("GET", f"https://mixed.example:{server.port}/"))

    assert server.connections == 0


def test_connection_goes_to_the_checked_address(resolve_names, allow, authority):
    tls = server_context(authority, "rebinding.example")
    with contextlib.ExitStack() as servers:
        checked = servers.enter_context(loopback_server(respond_with(OK), "127.0.0.2", tls=tls))
        internal = servers.enter_context(
            loopback_server(respond_with(OK), port=checked.port, tls=tls)
        )
        allow("127.0.0.2", ca=authority)
        resolved = resolve_names("rebinding.example", ["127.0.0.2"], ["127.0.0.1"])

        response = send_request(HttpRequest("GET", f"https://rebinding.example:{checked.port}/"))

    assert response.body == b"ok"
    assert (checked.connections, internal.connections, len(resolved)) == (1, 0, 1)
    assert f"Host: rebinding.example:{checked.port}" in checked.requests[0]


def test_allow_listed_network_does_not_allow_another(resolve_names, allow):
    with loopback_server(respond_with(OK)) as server:
        allow("127.0.0.2", "10.0.0.0/8")
        resolve_names("rebinding.example", ["127.0.0.2", "127.0.0.1"])

        with pytest.raises(OutboundRequestBlocked):
            send_request(HttpRequest("GET", f"https://rebinding.example:{server.port}/"))

    assert server.connections == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Again", "308 Moved"])
def test_redirect_is_not_followed(allow, status):
    with loopback_server(respond_with(OK)) as internal:
        location = f"http://127.0.0.1:{internal.port}/"
        with loopback_server(
            respond_with(http_response(b"x", status, Location=location)), "127.0.0.2"
        ) as server:
            allow("127.0.0.2")
            response = send_request(HttpRequest("GET", f"http://127.0.0.2:{server.port}/"))

    assert (response.status, response.headers["location"]) == (int(status[:3]), location)
    assert (server.connections, internal.connections) == (1, 0)


def test_plain_http_is_allowed_for_allow_listed_hosts_only(resolve_names, allow):
    resolve_names("sms.internal", ["127.0.0.1"])
    resolve_names("other.internal", ["127.0.0.1"])
    with loopback_server(respond_with(OK)) as server:
        port = server.port
        lists = [["sms.internal"], ["SMS.internal."], [f"sms.internal:{port}"]]
        for entries in (*lists, ["127.0.0.0/8", "sms.internal"]):
            allow(*entries)
            assert send_request(HttpRequest("GET", f"http://sms.internal:{port}/")).status == 200
        for entries in ([], ["other.internal"], [f"sms.internal:{port + 1}"], ["127.0.0.0/8"]):
            allow(*entries)
            with (
                case(entries=entries),
                pytest.raises(OutboundRequestBlocked, match="only allowed by http"),
            ):
                send_request(HttpRequest("GET", f"http://sms.internal:{port}/"))

    assert server.connections == 4


def test_url_that_is_not_https_is_blocked():
    for url in BLOCKED_URLS:
        with case(url=url):
            with pytest.raises(OutboundRequestBlocked) as error:
                send_request(HttpRequest("GET", url))
            assert "secret" not in str(error.value)


def test_header_injection_is_blocked(allow):
    with loopback_server(respond_with(OK)) as server:
        allow("127.0.0.1")
        with pytest.raises(OutboundRequestBlocked):
            send_request(
                HttpRequest("GET", f"http://127.0.0.1:{server.port}/", {"X-A": "1\r\nX-B: 2"})
            )

    assert server.connections == 0


def test_proxy_and_netrc_of_the_environment_are_ignored(allow, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login ada password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with loopback_server(respond_with(OK)) as proxy, loopback_server(respond_with(OK)) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{proxy.port}")
        allow("127.0.0.1")

        assert send_request(HttpRequest("GET", f"http://127.0.0.1:{server.port}/")).status == 200
        with pytest.raises(OutboundRequestFailed):
            send_request(HttpRequest("GET", f"https://127.0.0.1:{server.port}/", timeout=0.3))

    assert proxy.connections == 0
    assert "Authorization" not in server.requests[0]


# TLS


@pytest.mark.requirement("CF-05")
def test_private_certificate_authority_can_be_trusted(resolve_names, allow, authority):
    resolve_names("sms.internal", ["127.0.0.1"])
    with loopback_server(respond_with(OK), tls=server_context(authority, "sms.internal")) as server:
        allow("sms.internal", ca=authority)

        assert (
            send_request(HttpRequest("GET", f"https://sms.internal:{server.port}/")).body == b"ok"
        )


@pytest.mark.requirement("CF-05")
@pytest.mark.parametrize(("issued_for", "trusted"), [("sms.internal", False), ("other", True)])
def test_invalid_certificate_gets_no_request(resolve_names, allow, authority, issued_for, trusted):
    resolve_names("sms.internal", ["127.0.0.1"])
    with loopback_server(respond_with(OK), tls=server_context(authority, issued_for)) as server:
        allow("sms.internal", ca=authority if trusted else None)

        with pytest.raises(
            OutboundRequestFailed, match=r"sms.internal did not answer \(SSLError\)"
        ):
            send_request(HttpRequest("GET", f"https://sms.internal:{server.port}/?secret"))

    assert server.requests == []


# Settings

TRUSTED_CA = trustme.CA()


@pytest.mark.settings(GATEHOUSE_EGRESS_ALLOWLIST="127.0.0.0/8, sms.internal")
@pytest.mark.settings(GATEHOUSE_CA_BUNDLE=TRUSTED_CA.cert_pem.bytes().decode())
def test_settings_define_the_allow_list_and_the_authority(resolve_names):
    resolve_names("sms.internal", ["127.0.0.1"])

    with loopback_server(
        respond_with(OK), tls=server_context(TRUSTED_CA, "sms.internal")
    ) as server:
        assert (
            send_request(HttpRequest("GET", f"https://sms.internal:{server.port}/")).status == 200
        )
