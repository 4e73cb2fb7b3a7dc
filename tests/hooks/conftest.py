"""A receiver of hooks, hooks that send to it, and the ways to log in and to register."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from gatehouse.database.session import db
from gatehouse.hooks import definitions, kinds
from gatehouse.hooks.definitions import HookChange
from gatehouse.tokens import sync
from gatehouse.web.request_context import NO_REQUEST
from tests.hooks.receiver import HookReceiver, running_receiver

CreateHook = Callable[..., str]


@pytest.fixture(scope="session")
def receiver_process() -> Iterator[HookReceiver]:
    with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def receiver(receiver_process: HookReceiver) -> Iterator[HookReceiver]:
    """A receiver that allows everything."""
    receiver_process.reset()
    yield receiver_process
    receiver_process.released.set()


@pytest.fixture
def settings_environment(
    settings_environment: dict[str, str], receiver_process: HookReceiver
) -> dict[str, str]:
    """Requests may be sent to the receiver, whose certificate is trusted."""
    return settings_environment | {
        "GATEHOUSE_EGRESS_ALLOWLIST": f"localhost:{receiver_process.port}",
        "GATEHOUSE_CA_BUNDLE": receiver_process.certificate,
    }


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hooks get a hundred times as long: a busy machine must not fail a test of their answers."""
    monkeypatch.setattr(kinds, "MILLISECOND", 0.1)


@pytest.fixture
def create_hook(app: Flask, receiver: HookReceiver) -> CreateHook:
    """Create a hook that sends to the receiver, and return its secret."""

    def create(kind: str, on_failure: str = "deny", **more: Any) -> str:
        fields = {"name": kind.replace("_", "-"), "url": receiver.url, "on_failure": on_failure}
        change = HookChange(**fields | more)
        with app.app_context():
            created = definitions.create_hook(kind, change, NO_REQUEST)
            db.session.commit()
            sync.refresh()
        return created.secret

    return create
