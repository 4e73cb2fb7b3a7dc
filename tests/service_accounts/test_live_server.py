"""API keys in a server with two workers: they follow the feed, and write the uses by themselves."""

import json
import time

import pytest

from tests.client import User
from tests.conftest import running
from tests.polling import wait_until


@pytest.fixture
def command(live, settings_environment):
    """Run a command of `gatehouse service-accounts` on the database of the server."""
    with running(settings_environment | {"GATEHOUSE_PUBLIC_URL": live.url}) as app:

        def command(*arguments):
            result = app.test_cli_runner().invoke(args=["service-accounts", *arguments])
            assert result.exit_code == 0, result.output
            return result.output

        yield command


def answers(live, key):
    """Return how gateways are answered over forty connections, which reach both workers."""
    path = "/gateway/verify?require=users:read"
    return {live.client.as_(key).get(path).status_code for _ in range(40)}


def is_in_force_and_revoked_in_time(live, command):
    """Create and revoke a key; return whether both workers knew each a second later."""
    created = command("create-key", "deploy", "CI", "--permission", "users:read", "--json")
    key = json.loads(created)
    time.sleep(1)
    is_known = answers(live, key["key"]) == {200}
    command("revoke-key", "deploy", key["id"], "--yes")
    time.sleep(1)
    return is_known and answers(live, key["key"]) == {401}


@pytest.mark.requirement("SE-06")
def test_key_is_in_force_and_revoked_on_every_worker_within_a_second(live, command):
    live.client.sign_up(User("ada@example.com"))
    command("create", "deploy", "x", "--owner", "ada@example.com", "--role", "support")

    wait_until(lambda: is_in_force_and_revoked_in_time(live, command))

    def list_last_uses():
        listed = json.loads(command("list-keys", "deploy", "--json"))["items"]
        return [key["last_used_at"] for key in listed]

    wait_until(lambda: all(list_last_uses()))
