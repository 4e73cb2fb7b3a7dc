"""Fixtures for the outbound HTTP client: allow-list, host names, certificate authority."""

import itertools
import socket
from dataclasses import replace

import pytest
import trustme

from gatehouse.settings.parsers import egress_destinations


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def context(app):
    """Push an application context: the client reads its settings."""
    with app.app_context():
        yield


@pytest.fixture
def allow(app):
    """Return a function that allow-lists hosts and networks, and may trust an authority."""

    def allow(*entries, ca=None):
        changes = {"ca_bundle": ca.cert_pem.bytes().decode()} if ca else {}
        settings = app.extensions["gatehouse.settings"]
        allowed = egress_destinations(",".join(entries))
        app.extensions["gatehouse.settings"] = replace(
            settings, egress_allowlist=allowed, **changes
        )

    return allow


@pytest.fixture
def resolve_names(monkeypatch):
    """Return a function that sets the IP addresses of a name, one list per resolution."""
    addresses, resolved, real = {}, [], socket.getaddrinfo

    def resolve(host, port, *args, **changes):
        if host not in addresses:
            return real(host, port, *args, **changes)
        resolved.append(host)
        ips = next(addresses[host])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ips]

    def set_addresses(host, *answers):
        addresses[host] = itertools.chain(answers, itertools.repeat(answers[-1]))
        return resolved

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return set_addresses
