"""The programs in `docs/recipes.md`, with tokens of a running server."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from functools import partial

import pytest
import requests
import trustme

from config import ROOT
from tests.client import User
from tests.conftest import environment
from tests.live_server import LiveServer
from tests.loopback_server import http_response, loopback_server
from tests.missing_tools import skip_without
from tests.node_packages import NODE, install_packages
from tests.polling import wait_until
from tests.servers import free_port
from tests.tls_relay import tls_relay

RECIPES = (ROOT / "docs/recipes.md").read_text()


def recipe(language):
    """Return the only program of a language in the document."""
    [program] = re.findall(rf"```{language}\n(.*?)```", RECIPES, re.S)
    return program


@contextmanager
def running(prepare, folder, gatehouse):
    """Run a program until the end of the block, and yield the URL where it listens."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "GATEHOUSE_URL": gatehouse, "PORT": str(port)}
    process = subprocess.Popen(prepare(folder, port), cwd=folder, env=environment)
    try:
        wait_until(lambda: process.poll() is not None or answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(10)


def answers(url):
    try:
        return requests.get(url, timeout=5).status_code == 404
    except requests.ConnectionError:
        return False


def prepare_express(folder, _port):
    (folder / "node_modules").symlink_to(install_packages() / "node_modules")
    (folder / "server.mjs").write_text(recipe("js"))
    return [str(NODE), "server.mjs"]


def prepare_fastapi(folder, port):
    (folder / "server.py").write_text(recipe("python"))
    return [sys.executable, "-m", "uvicorn", "--port", str(port), "server:app"]


@pytest.mark.parametrize("prepare", [prepare_express, prepare_fastapi])
def test_recipe_accepts_access_tokens_only(live, tmp_path, prepare):
    ann = User("ann@example.com", "seven green lanterns")
    live.client.sign_up(ann)
    tokens = live.client.log_in(ann)
    forged = tokens["access_token"][:-6] + "AAAAAA"
    bearers = (None, tokens["access_token"], tokens["refresh_token"], forged, "x")

    with running(prepare, tmp_path, live.url) as url:
        responses = [get_orders(url, bearer) for bearer in bearers]

    statuses = [response.status_code for response in responses]
    assert statuses in ([401, 200, 401, 401, 401], [403, 200, 401, 401, 401])
    assert responses[1].json() == {"of": tokens["user"]["id"], "roles": ["user"]}


def get_orders(url, bearer):
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return requests.get(f"{url}/orders", headers=headers, timeout=10)


@pytest.mark.requirement("GW-01")
def test_nginx_recipe_lets_signed_in_requests_pass_with_their_identity(live, tmp_path):
    ann = User("ann@example.com", "seven green lanterns")
    live.client.sign_up(ann)
    tokens = live.client.log_in(ann)
    nginx = shutil.which("nginx") or skip_without("nginx", "apt-get install nginx-light")

    with loopback_server(echo_user) as service:
        ports = (live.port, service.port)
        prepare = partial(prepare_nginx, nginx, ports)
        with running(prepare, tmp_path, live.url) as url:
            forged = {"X-Auth-User": "root"}
            anonymous = requests.get(f"{url}/api/", headers=forged, timeout=10)
            bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
            signed_in = requests.get(f"{url}/api/", headers=bearer | forged, timeout=10)

    assert anonymous.status_code == 401
    assert (signed_in.status_code, signed_in.text) == (200, tokens["user"]["id"])


def echo_user(head):
    """Return the user whom the gateway names, as the service behind it."""
    [user] = re.findall(r"^x-auth-user: (.*?)\r?$", head, re.MULTILINE | re.IGNORECASE)
    return [http_response(user.encode())]


def prepare_nginx(nginx, ports, folder, port):
    """Write a configuration with the recipe's locations, for Gatehouse and a service on `ports`."""
    locations = recipe("nginx").replace(":8000", f":{ports[0]}").replace(":9000", f":{ports[1]}")
    files = f"pid {folder}/pid; error_log {folder}/error.log; daemon off;"
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    server = f"listen 127.0.0.1:{port}; location / {{ return 404; }} {locations}"
    path = folder / "nginx.conf"
    path.write_text(f"{files} events {{}} http {{ access_log off; {paths} server {{ {server} }} }}")
    return [nginx, "-c", str(path)]


@pytest.fixture
def behind_tls(sqlite_store, tmp_path):
    """Return a server, its https URL, and the file of the certificate authority."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with sqlite_store.fresh() as url:
        server = LiveServer(environment(url), tmp_path / "server.log")
        with tls_relay(authority, server.port) as port:
            server.environment["GATEHOUSE_PUBLIC_URL"] = f"https://localhost:{port}"
            server.start()
            yield server, f"https://localhost:{port}", str(tmp_path / "authority.pem")
            server.kill()


def test_cookies_reach_strict_browsers_on_localhost_by_https_and_tokens_by_http(behind_tls):
    """Python's cookie jar is as strict as Safari: http://localhost gets no `Secure` cookie."""
    server, https, authority = behind_tls
    ann = server.client.sign_up(User("ann@example.com", "seven green lanterns"))
    form = {"identifier": ann.email, "password": ann.password, "transport": "cookie"}

    statuses = {}
    for url in (server.url, https):
        with requests.Session() as browser:
            options = {"verify": authority, "timeout": 60}
            login = browser.post(f"{url}/auth/login", json=form, **options)
            me = browser.get(f"{url}/auth/me", **options)
            statuses[url] = (login.status_code, me.status_code)
    tokens = server.client.log_in(ann)
    in_body_mode = server.client.as_(tokens).get("/auth/me")

    assert statuses == {server.url: (200, 401), https: (200, 200)}
    assert in_body_mode.status_code == 200
