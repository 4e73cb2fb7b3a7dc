"""One IPv6 /64, or one IPv4 address, is one client for the rate limits; with real sockets."""

import json

import pytest
import sqlalchemy as sa

from models import AuditEvent
from tests.live_server import ColdServer
from tests.network_namespace import network_namespace

SERVER_SETTINGS = {
    "GATEHOUSE_HOST": "::",  # for IPv4 too: its addresses then arrive as ::ffff:...
    "GATEHOUSE_INSECURE_DEVELOPMENT_ON_NETWORK": "true",
    "GATEHOUSE_RATE_LIMITS": "on",
}
SAME_NETWORK = [f"2001:db8::{number:x}:{number:x}" for number in range(1, 101)]
OTHER_NETWORK = "2001:db8:0:1::1"


@pytest.fixture
def namespace():
    with network_namespace([*SAME_NETWORK, OTHER_NETWORK]) as namespace:
        yield namespace


@pytest.fixture
def try_login(namespace, settings_environment, tmp_path):
    """Return a function that tries a login with another account from an IP address."""
    del settings_environment["GATEHOUSE_PUBLIC_URL"]
    server = ColdServer(settings_environment | SERVER_SETTINGS, tmp_path / "server.log")

    def try_login(ip_address):
        form = {"identifier": f"{ip_address}@example.com".replace(":", "-"), "password": "wrong"}
        source_and_target = (ip_address, "::1" if ":" in ip_address else "127.0.0.1")
        return namespace.post(server.port, "/auth/login", json.dumps(form), source_and_target)

    try:
        namespace.run(server.start)
        yield try_login
    finally:
        server.kill()


@pytest.mark.requirement("RL-05")
def test_ipv6_addresses_of_one_64_share_one_rate_limit(try_login, store):
    statuses = [try_login(ip_address) for ip_address in SAME_NETWORK]
    other_statuses = [try_login(OTHER_NETWORK), try_login("127.0.0.1")]

    assert statuses == [401] * 60 + [429] * 40
    assert other_statuses == [401, 401]
    assert audited_ip_addresses(store) == [*SAME_NETWORK[:60], OTHER_NETWORK, "127.0.0.1"]


def audited_ip_addresses(store):
    """Return the IP address of each login attempt in the audit log."""
    engine = sa.create_engine(store, poolclass=sa.NullPool)
    events = sa.select(AuditEvent.ip_address).where(AuditEvent.name == "login.failed")
    with engine.connect() as connection:
        return list(connection.scalars(events.order_by(AuditEvent.id)))
