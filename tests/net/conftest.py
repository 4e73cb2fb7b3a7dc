"""Fixtures of the tests of the outbound client: exceptions, names, an authority."""

import itertools
import socket
from dataclasses import replace

import pytest
import trustme

from gatehouse.settings.parsers import destinations


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def context(app):
    """Be inside of an application, as whoever calls another server is."""
    with app.app_context():
        yield


@pytest.fixture
def allow(app):
    """Allow-list hosts and networks, and perhaps trust an authority."""

    def allow(*entries, ca=None):
        more = {"outbound_ca": ca.cert_pem.bytes().decode()} if ca else {}
        settings = app.extensions["gatehouse.settings"]
        allowed = destinations(",".join(entries))
        app.extensions["gatehouse.settings"] = replace(settings, outbound_allowed=allowed, **more)

    return allow


@pytest.fixture
def names(monkeypatch):
    """Names that resolve to what a test says: each time to the next of its answers."""
    known, asked, real = {}, [], socket.getaddrinfo

    def resolve(host, port, *rest, **more):
        if host not in known:
            return real(host, port, *rest, **more)
        asked.append(host)
        found = next(known[host])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    def name(host, *answers):
        known[host] = itertools.chain(answers, itertools.repeat(answers[-1]))
        return asked

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return name
