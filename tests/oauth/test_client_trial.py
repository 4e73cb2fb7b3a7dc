"""`gatehouse clients try` against a running server: a person signs in, and sees every message."""

from __future__ import annotations

import re
import signal

import pytest
import requests

from gatehouse.core import crypto
from models import OAuthClient, OAuthClientSecret
from tests.child_processes import FLASK, PythonProcess
from tests.client import User
from tests.conftest import running
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.form_browser import FormBrowser
from tests.oauth.relying_party import entries, secret_of
from tests.polling import wait_until

LOOPBACK = "http://127.0.0.1/callback"
CHECKED = ("signature", "iss", "aud", "sub", "exp", "iat", "nonce")


@pytest.fixture
def shop(live):
    """The client `shop`, registered at a running server."""
    row = OAuthClient(**client_columns(redirect_uris=[LOOPBACK]))
    digest = crypto.digest(secret_of("shop"))
    secret = OAuthClientSecret(id=crypto.new_id(), client_id="shop", digest=digest)
    with running(live.environment) as app:
        add_row(app, row, secret)
    return row


@pytest.fixture
def trial(live, shop, tmp_path):
    """The command, while it runs: its process, and what it prints."""
    output = tmp_path / "trial.txt"
    environ = live.environment | {"CLIENT_SECRET": secret_of("shop"), "PYTHONUNBUFFERED": "1"}
    process = PythonProcess([*FLASK, "clients", "try", "shop"], environ, output)
    yield process, output
    process.kill()
    process.wait(10)


def test_trial_signs_in_refreshes_and_signs_out(live, trial):
    process, output = trial
    ann = live.client.sign_up(User("ann@example.com"))
    wait_until(lambda: "Open http" in output.read_text())
    [start] = re.findall(r"Open (http\S+)", output.read_text())
    origin = start.removesuffix("/start")
    browser = FormBrowser(live.new_connection, live.url)

    page = browser.walk(browser.visit(location_of(start)), entries(ann))
    shown = requests.get(page.url, timeout=30).text
    renewed = requests.get(f"{origin}/refresh", timeout=30).text
    browser.walk(browser.visit(location_of(f"{origin}/logout")), {})
    process.send_signal(signal.SIGINT)
    wait_until(lambda: process.poll() is not None)

    printed = output.read_text()
    assert "shop: signed in" in shown
    assert "ann@example.com" in shown
    assert "Refresh response" in renewed
    assert all(f"ok    {name}:" in printed for name in CHECKED)
    assert "WRONG" not in printed
    assert secret_of("shop") not in printed
    assert page.url.partition("code=")[2].partition("&")[0] not in printed


def location_of(url):
    response = requests.get(url, allow_redirects=False, timeout=30)
    assert response.status_code == 303, response.text
    return response.headers["Location"]
