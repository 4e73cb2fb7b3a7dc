"""The server dies in the middle of refreshes; nobody has to sign in again."""

import threading

import pytest
import requests
import sqlalchemy as sa

from models import RefreshToken
from tests.client import User

CLIENTS = 4


class Holder(threading.Thread):
    """A client that refreshes until its server is gone, and keeps the last token it received."""

    def __init__(self, client, tokens, enough):
        super().__init__()
        self.client, self.tokens, self.enough = client, tokens, enough
        self.refreshed = 0
        self.refusal = None

    def run(self):
        try:
            while self.refusal is None:
                self.refresh()
        except requests.RequestException:  # the answer, if there was one, is lost
            self.enough.set()

    def refresh(self):
        answer = self.client.refresh(self.tokens)
        if answer.status_code != 200:
            self.refusal = answer.text
            self.enough.set()
            return
        self.tokens = answer.json
        self.refreshed += 1
        if self.refreshed >= 10:
            self.enough.set()


def refresh_until_killed(live, all_tokens):
    """Let clients refresh, kill the server in the middle, and return them."""
    holders = [Holder(live.client, tokens, threading.Event()) for tokens in all_tokens]
    for holder in holders:
        holder.start()
    for holder in holders:
        assert holder.enough.wait(timeout=30)
    live.kill()
    for holder in holders:
        holder.join(timeout=30)
    return holders


def unused_tokens(store):
    """Return how many unused refresh tokens each session has."""
    engine = sa.create_engine(store, poolclass=sa.NullPool)
    count = sa.select(sa.func.count()).where(RefreshToken.used_at.is_(None))
    with engine.connect() as connection:
        return list(connection.scalars(count.group_by(RefreshToken.session_id)))


@pytest.mark.stores
@pytest.mark.requirement("OA-08")
@pytest.mark.settings(GATEHOUSE_REFRESH_GRACE="60")
def test_every_client_goes_on_with_the_token_it_holds_after_a_sudden_death(live, store):
    user = live.client.sign_up(User("ada@example.com"))
    held = [live.client.log_in(user) for _ in range(CLIENTS)]

    for _ in range(2):
        holders = refresh_until_killed(live, held)
        assert [holder.refusal for holder in holders] == [None] * CLIENTS
        assert unused_tokens(store) == [1] * CLIENTS

        live.start()
        answers = [live.client.refresh(holder.tokens) for holder in holders]

        assert [answer.status_code for answer in answers] == [200] * CLIENTS
        held = [answer.json for answer in answers]
        for tokens in held:
            assert live.client.as_(tokens).get("/auth/me").status_code == 200
