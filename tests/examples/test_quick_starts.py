"""The quick starts in `examples/`, each in Chromium against a running server."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from config import ROOT
from gatehouse.core import crypto
from models import OAuthClient, OAuthClientSecret
from tests.client import User
from tests.conftest import running
from tests.missing_tools import skip_without
from tests.node_packages import NODE, install_packages
from tests.oauth.conftest import add_row, client_columns
from tests.oauth.relying_party import secret_of
from tests.polling import wait_until
from tests.servers import free_port, is_free

EXAMPLES = ROOT / "examples"
KINDS = {
    "authlib-flask": {"kind": "web"},
    "express-openid-client": {"kind": "web"},
    "spa-oidc-client-ts": {"kind": "spa", "authentication_method": "none"},
}


def command_of(name, folder, port):
    """Return how an example is started; skip the test if its library is not installed."""
    if name == "authlib-flask":
        if importlib.util.find_spec("authlib") is None:
            skip_without("Authlib", "make test installs it")
        return [sys.executable, "-m", "flask", "--app", "app", "run", "--port", str(port)]
    (folder / "node_modules").symlink_to(install_packages() / "node_modules")
    return [str(NODE), "serve.mjs" if name == "spa-oidc-client-ts" else "server.mjs"]


@contextmanager
def running_example(name, live, folder):
    """Register an example at a running server and start it; yield its origin."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    shutil.copytree(EXAMPLES / name, folder, dirs_exist_ok=True)
    command = command_of(name, folder, port)
    register(live, name, origin)
    environment = {
        **os.environ,
        "ISSUER": live.url,
        "CLIENT_ID": name,
        "CLIENT_SECRET": secret_of(name),
        "SESSION_KEY": "k" * 32,
        "PORT": str(port),
    }
    process = subprocess.Popen(command, cwd=folder, env=environment)
    try:
        wait_until(lambda: process.poll() is not None or not is_free(port))
        yield origin
    finally:
        process.terminate()
        process.wait(30)


def register(live, name, origin):
    columns = {
        "id": name,
        "redirect_uris": [f"{origin}/callback"],
        "post_logout_redirect_uris": [f"{origin}/"],
        **KINDS[name],
    }
    secret = OAuthClientSecret(
        id=crypto.new_id(), client_id=name, digest=crypto.digest(secret_of(name))
    )
    with running(live.environment) as app:
        add_row(app, OAuthClient(**client_columns(**columns)), secret)


@pytest.fixture
def page(browser):
    context = browser.new_context()
    context.set_default_timeout(30_000)  # milliseconds
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", KINDS)
def test_quick_start_signs_a_person_in_and_out(name, live, page, tmp_path):
    ann = live.client.sign_up(User("ann@example.com"))

    with running_example(name, live, tmp_path) as origin:
        page.goto(f"{origin}/")
        page.get_by_text("Sign in", exact=True).click()
        page.locator('[name="identifier"]').fill(ann.email)
        page.locator('[name="password"]').fill(ann.password)
        page.locator('form:has([name="password"]) button').first.click()
        expect(page.get_by_text(f"Signed in as {ann.email}.")).to_be_visible()
        if name == "spa-oidc-client-ts":
            page.get_by_text("Renew the token").click()
            expect(page.get_by_text("The token was renewed.")).to_be_visible()
        page.get_by_text("Sign out").click()
        expect(page.get_by_text("Signed out.")).to_be_visible()
        page.get_by_text("Sign in", exact=True).click()
        expect(page.locator('[name="password"]')).to_be_visible()  # also at Gatehouse
