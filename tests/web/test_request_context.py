"""The client's IP address behind trusted proxies, and the warning about too few hops."""

import pytest
import structlog.testing

from gatehouse.web import proxy_check
from gatehouse.web.request_context import client_ip_address
from tests.conftest import running

PEER = "198.51.100.1"
PRODUCTION = {
    "GATEHOUSE_ENV": "production",
    "GATEHOUSE_PUBLIC_URL": "https://id.example.com",
    "GATEHOUSE_BCRYPT_COST": "12",
}


@pytest.mark.requirement("RL-04")
def test_client_ip_is_the_entry_of_the_outermost_trusted_proxy():
    cases = [
        (0, "", PEER),
        (0, "192.0.2.1", PEER),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "203.0.113.7, 192.0.2.1", "192.0.2.1"),
        (1, "203.0.113.7,192.0.2.1", "192.0.2.1"),
        (2, "203.0.113.7, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        (3, "203.0.113.7, 192.0.2.1, 10.0.0.3, 10.0.0.2", "192.0.2.1"),
        (1, "2001:DB8::1", "2001:db8::1"),
        (1, "::ffff:192.0.2.1", "192.0.2.1"),
    ]

    for hops, forwarded_for, ip_address in cases:
        assert client_ip_address(PEER, forwarded_for, hops) == ip_address, (hops, forwarded_for)


@pytest.mark.requirement("RL-04")
def test_client_ip_is_the_peer_when_proxies_were_bypassed():
    for forwarded_for in ("", "192.0.2.1", "192.0.2.1, 192.0.2.2"):
        assert client_ip_address(PEER, forwarded_for, 3) == PEER, forwarded_for


@pytest.mark.requirement("RL-04")
def test_client_ip_is_the_peer_when_the_entry_is_no_ip_address():
    entries = [
        *("unknown", "", " ", "_hidden", "localhost", "for=192.0.2.1", '"192.0.2.1"', "192.0.2.1;"),
        *("192.0.2", "192.0.2.1.5", "192.0.2.1/24", "192.0.2.1:", "1", "0x7f.1", "192.0.2.01"),
        *("::g", "[::1", "::1]", "[]", "[]:1", "\u0661.2.3.4", "\xff\x00", "9" * 10_000),
    ]

    for entry in entries:
        assert client_ip_address(PEER, f"203.0.113.7, {entry}", 1) == PEER, entry[:40]


def test_client_ip_excludes_port_brackets_and_zone():
    cases = {
        "192.0.2.1:54321": "192.0.2.1",
        "[2001:db8::1]": "2001:db8::1",
        "[2001:db8::1]:54321": "2001:db8::1",
        "[::ffff:192.0.2.1]:1": "192.0.2.1",
        "fe80::1%eth0": "fe80::1",
        " 192.0.2.1\t": "192.0.2.1",
    }

    for entry, ip_address in cases.items():
        assert client_ip_address(PEER, entry, 1) == ip_address, entry


def test_client_ip_of_an_unknown_peer_is_empty():
    assert client_ip_address("", "", 0) == ""
    assert client_ip_address("", "203.0.113.7", 0) == ""


# One IP address for all clients


def send_requests(app, times, headers, peers=(PEER,)):
    """Send so many requests; return the warnings about GATEHOUSE_TRUSTED_HOPS."""
    client = app.test_client()
    with structlog.testing.capture_logs() as lines:
        for number in range(times):
            peer = {"REMOTE_ADDR": peers[number % len(peers)]}
            client.get("/health/live", headers=headers, environ_overrides=peer)
    return [line for line in lines if "GATEHOUSE_TRUSTED_HOPS" in line["event"]]


@pytest.fixture
def start_app(settings_environment):
    """Return a function that starts an application in production with so many trusted hops."""
    apps = []

    def start_app(hops, **more):
        environ = settings_environment | PRODUCTION | {"GATEHOUSE_TRUSTED_HOPS": str(hops)} | more
        apps.append(running(environ))
        return apps[-1].__enter__()

    yield start_app
    for app in apps:
        app.__exit__(None, None, None)


@pytest.mark.parametrize(("hops", "forwarded_for"), [(0, "192.0.2.1"), (1, "192.0.2.1, 10.0.0.2")])
def test_shared_ip_address_of_all_clients_is_logged_once(start_app, hops, forwarded_for):
    warnings = send_requests(
        start_app(hops), 3 * proxy_check.REQUESTS_BEFORE_WARNING, {"X-Forwarded-For": forwarded_for}
    )

    [line] = warnings
    assert f"GATEHOUSE_TRUSTED_HOPS={hops} is probably too low" in line["event"]
    assert "gatehouse doctor proxy" in line["event"]
    assert line["log_level"] == "warning"
    assert line["ip_address"] == (PEER if hops == 0 else "10.0.0.2")


def test_shared_ip_address_of_few_requests_is_not_logged(start_app):
    assert (
        send_requests(
            start_app(0), proxy_check.REQUESTS_BEFORE_WARNING - 1, {"X-Forwarded-For": "192.0.2.1"}
        )
        == []
    )


def test_two_clients_are_not_logged(start_app):
    app = start_app(0)

    assert (
        send_requests(
            app,
            2 * proxy_check.REQUESTS_BEFORE_WARNING,
            {"X-Forwarded-For": "192.0.2.1"},
            (PEER, "192.0.2.9"),
        )
        == []
    )
    assert (
        send_requests(
            app, 2 * proxy_check.REQUESTS_BEFORE_WARNING, {"X-Forwarded-For": "192.0.2.1"}
        )
        == []
    )


@pytest.mark.parametrize(("hops", "headers"), [(0, {}), (1, {"X-Forwarded-For": "192.0.2.1"})])
def test_expected_number_of_forwarding_hops_is_not_logged(start_app, hops, headers):
    assert send_requests(start_app(hops), 2 * proxy_check.REQUESTS_BEFORE_WARNING, headers) == []


def test_shared_ip_address_in_development_is_not_logged(app):
    assert (
        send_requests(
            app, 2 * proxy_check.REQUESTS_BEFORE_WARNING, {"X-Forwarded-For": "192.0.2.1"}
        )
        == []
    )
