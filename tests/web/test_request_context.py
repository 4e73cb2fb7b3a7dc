"""Who is at the door: what our proxies saw counts, and nothing that anybody else writes."""

import pytest
import structlog.testing

from gatehouse.web import proxy_check
from gatehouse.web.request_context import client_address
from tests.conftest import running

PEER = "198.51.100.1"
PRODUCTION = {
    "GATEHOUSE_ENV": "production",
    "GATEHOUSE_PUBLIC_URL": "https://id.example.com",
    "GATEHOUSE_BCRYPT_COST": "12",
}


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize(
    ("hops", "chain", "address"),
    [
        (0, "", PEER),
        (0, "192.0.2.1", PEER),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "203.0.113.7, 192.0.2.1", "192.0.2.1"),
        (1, "203.0.113.7,192.0.2.1", "192.0.2.1"),
        (2, "203.0.113.7, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        (3, "203.0.113.7, 192.0.2.1, 10.0.0.3, 10.0.0.2", "192.0.2.1"),
        (1, "2001:DB8::1", "2001:db8::1"),
        (1, "::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_with_n_hops_the_nth_entry_from_the_right_is_the_visitor(hops, chain, address):
    assert client_address(PEER, chain, hops) == address


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize("chain", ["", "192.0.2.1", "192.0.2.1, 192.0.2.2"])
def test_who_came_past_a_proxy_is_who_the_connection_says(chain):
    assert client_address(PEER, chain, 3) == PEER


@pytest.mark.requirement("RL-04")
@pytest.mark.parametrize(
    "entry",
    [
        *("unknown", "", " ", "_hidden", "localhost", "for=192.0.2.1", '"192.0.2.1"', "192.0.2.1;"),
        *("192.0.2", "192.0.2.1.5", "192.0.2.1/24", "192.0.2.1:", "1", "0x7f.1", "192.0.2.01"),
        *("::g", "[::1", "::1]", "[]", "[]:1", "\u0661.2.3.4", "\xff\x00", "9" * 10_000),
    ],
)
def test_an_entry_that_is_no_address_chooses_nothing(entry):
    assert client_address(PEER, f"203.0.113.7, {entry}", 1) == PEER


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("192.0.2.1:54321", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:54321", "2001:db8::1"),
        ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        (" 192.0.2.1\t", "192.0.2.1"),
    ],
)
def test_the_port_that_a_proxy_adds_is_no_part_of_the_address(entry, address):
    assert client_address(PEER, entry, 1) == address


def test_an_unknown_peer_has_no_address():
    assert client_address("", "", 0) == ""
    assert client_address("", "203.0.113.7", 0) == ""


# One address for all


def knock(app, times, headers, peers=(PEER,)):
    """Ask so many times; return the warnings about it."""
    client = app.test_client()
    with structlog.testing.capture_logs() as lines:
        for number in range(times):
            peer = {"REMOTE_ADDR": peers[number % len(peers)]}
            client.get("/health/live", headers=headers, environ_overrides=peer)
    return [line for line in lines if "GATEHOUSE_TRUSTED_HOPS" in line["event"]]


@pytest.fixture
def behind(settings_environment):
    """Lend an application in production that trusts so many hops."""
    apps = []

    def behind(hops, **more):
        environ = settings_environment | PRODUCTION | {"GATEHOUSE_TRUSTED_HOPS": str(hops)} | more
        apps.append(running(environ))
        return apps[-1].__enter__()

    yield behind
    for app in apps:
        app.__exit__(None, None, None)


@pytest.mark.parametrize(("hops", "chain"), [(0, "192.0.2.1"), (1, "192.0.2.1, 10.0.0.2")])
def test_it_is_told_once_that_all_visitors_share_one_address(behind, hops, chain):
    told = knock(behind(hops), 3 * proxy_check.ENOUGH, {"X-Forwarded-For": chain})

    [line] = told
    assert f"GATEHOUSE_TRUSTED_HOPS={hops} is probably too low" in line["event"]
    assert "flask doctor proxy" in line["event"]
    assert line["log_level"] == "warning"
    assert line["address"] == (PEER if hops == 0 else "10.0.0.2")


def test_a_few_requests_prove_nothing(behind):
    assert knock(behind(0), proxy_check.ENOUGH - 1, {"X-Forwarded-For": "192.0.2.1"}) == []


def test_two_visitors_are_a_crowd(behind):
    app = behind(0)

    assert (
        knock(app, 2 * proxy_check.ENOUGH, {"X-Forwarded-For": "192.0.2.1"}, (PEER, "192.0.2.9"))
        == []
    )
    assert knock(app, 2 * proxy_check.ENOUGH, {"X-Forwarded-For": "192.0.2.1"}) == []


@pytest.mark.parametrize(("hops", "headers"), [(0, {}), (1, {"X-Forwarded-For": "192.0.2.1"})])
def test_one_visitor_who_was_not_forwarded_too_often_is_nothing_to_tell(behind, hops, headers):
    assert knock(behind(hops), 2 * proxy_check.ENOUGH, headers) == []


def test_in_development_one_visitor_is_what_there_is(app):
    assert knock(app, 2 * proxy_check.ENOUGH, {"X-Forwarded-For": "192.0.2.1"}) == []
