"""One /64 is one visitor, and so is an IPv4 address however it arrives: with real sockets."""

import json

import pytest
import sqlalchemy as sa

from models import AuditEvent
from tests.island import island
from tests.live import ColdServer

LISTENING = {
    "GATEHOUSE_HOST": "::",  # for IPv4 too: its addresses then arrive as ::ffff:...
    "GATEHOUSE_INSECURE_DEVELOPMENT_ON_NETWORK": "true",
    "GATEHOUSE_RATE_LIMITS": "on",
}
HUNDRED = [f"2001:db8::{number:x}:{number:x}" for number in range(1, 101)]
NEIGHBOUR = "2001:db8:0:1::1"


@pytest.fixture
def home():
    with island([*HUNDRED, NEIGHBOUR]) as home:
        yield home


@pytest.fixture
def guess(home, settings_environment, tmp_path):
    """Guess at another account each time, from an address; return the status of the answer."""
    del settings_environment["GATEHOUSE_PUBLIC_URL"]
    server = ColdServer(settings_environment | LISTENING, tmp_path / "server.log")

    def guess(address):
        form = {"identifier": f"{address}@example.com".replace(":", "-"), "password": "wrong"}
        sender = (address, "::1" if ":" in address else "127.0.0.1")
        return home.post(server.port, "/auth/login", json.dumps(form), sender)

    try:
        home.run(server.start)
        yield guess
    finally:
        server.kill()


@pytest.mark.requirement("RL-05")
def test_a_hundred_addresses_of_one_network_share_one_bucket(guess, store):
    statuses = [guess(address) for address in HUNDRED]
    others = [guess(NEIGHBOUR), guess("127.0.0.1")]

    assert statuses == [401] * 60 + [429] * 40
    assert others == [401, 401]
    assert addresses(store) == [*HUNDRED[:60], NEIGHBOUR, "127.0.0.1"]


def addresses(store):
    """Return from where each of those guesses came that were looked at, by the audit."""
    engine = sa.create_engine(store, poolclass=sa.NullPool)
    events = sa.select(AuditEvent.address).where(AuditEvent.name == "login.failed")
    with engine.connect() as connection:
        return list(connection.scalars(events.order_by(AuditEvent.id)))
