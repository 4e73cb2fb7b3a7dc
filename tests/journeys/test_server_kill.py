"""The server is killed during refreshes; clients continue without a new login."""

import threading

import pytest
import requests
import sqlalchemy as sa

from models import Session
from tests.client import User

CLIENTS = 4


class RefreshingClient(threading.Thread):
    """A client that refreshes until the server is killed, and keeps the last tokens it received."""

    def __init__(self, client, tokens, has_refreshed):
        super().__init__()
        self.client, self.tokens, self.has_refreshed = client, tokens, has_refreshed
        self.refreshed = 0
        self.error = None

    def run(self):
        try:
            while self.error is None:
                self.refresh()
        except requests.RequestException:  # a response may be lost
            self.has_refreshed.set()

    def refresh(self):
        response = self.client.refresh(self.tokens)
        if response.status_code != 200:
            self.error = response.text
            self.has_refreshed.set()
            return
        self.tokens = response.json
        self.refreshed += 1
        if self.refreshed >= 10:
            self.has_refreshed.set()


def refresh_until_killed(live, all_tokens):
    """Let clients refresh, kill the server meanwhile, and return the clients."""
    clients = [RefreshingClient(live.client, tokens, threading.Event()) for tokens in all_tokens]
    for client in clients:
        client.start()
    for client in clients:
        assert client.has_refreshed.wait(timeout=60)
    live.kill()
    for client in clients:
        client.join(timeout=60)
    return clients


def unused_tokens(store):
    """Return the ids of the unused refresh tokens of all sessions."""
    engine = sa.create_engine(store, poolclass=sa.NullPool)
    with engine.connect() as connection:
        return set(connection.scalars(sa.select(Session.current_token_id)))


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
@pytest.mark.settings(GATEHOUSE_REFRESH_REUSE_INTERVAL="60")
def test_refresh_continues_with_the_last_received_token_after_a_server_kill(live, store):
    user = live.client.sign_up(User("ada@example.com"))
    current = [live.client.log_in(user) for _ in range(CLIENTS)]

    for _ in range(2):
        clients = refresh_until_killed(live, current)
        assert [client.error for client in clients] == [None] * CLIENTS
        assert len(unused_tokens(store) - {None}) == CLIENTS

        live.start()
        responses = [live.client.refresh(client.tokens) for client in clients]

        assert [response.status_code for response in responses] == [200] * CLIENTS
        current = [response.json for response in responses]
        for tokens in current:
            assert live.client.as_(tokens).get("/auth/me").status_code == 200
