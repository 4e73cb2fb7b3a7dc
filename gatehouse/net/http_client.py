"""The one way out: whatever calls another server, calls it here.

An address in a request could be an attacker's choice, and lead to machines that trust us (SSRF). So
a call goes by https to public addresses only, unless GATEHOUSE_OUTBOUND_ALLOWED says otherwise; all
addresses of a name are checked, and the connection goes to the very one that was, whatever the name
means a moment later. No redirect is followed, nothing is unpacked, no cookie is kept, and no proxy
or password is taken from the environment. One deadline and one size hold for the whole answer.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

import config
from gatehouse.net import ip_addresses
from gatehouse.net.deadline import Deadline, Place, connected, resolved

PORTS = {"https": 443, "http": 80}
OURS = {"User-Agent": "Gatehouse", "Accept-Encoding": "identity", "Connection": "close"}
Dial = Callable[[], socket.socket]


class OutboundFailed(Exception):
    """There is no answer that could be used; the text says why, and repeats no secret."""


class OutboundRefused(OutboundFailed):
    """This call is not made: it may not go there."""


@dataclass(frozen=True)
class Call:
    """What to send, and how long (seconds) and how large (bytes) the whole answer may be."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    seconds: float = 10
    most: int = 1_048_576


@dataclass(frozen=True)
class Answer:
    """What came back, as it came: 3xx is an answer like any other. Names of headers ignore case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(call: Call) -> Answer:
    """Send a request, and return the whole answer.

    Raises:
        OutboundRefused: it may not go there.
        OutboundFailed: there is no answer, or it is too large, too slow or packed.
    """
    request = _prepared(call)
    url = urlsplit(request.url or "")
    host = _checked_host(url)
    with _Deadline(call.seconds, host) as deadline:
        places = _checked_places(url, deadline)
        adapter = _Pinned(lambda: deadline.watch(connected(places, deadline)))
        sent = adapter.send(request, stream=True, timeout=deadline.left)
        with closing(adapter), closing(sent) as response:
            return Answer(response.status_code, response.headers, _body(response, call.most, host))


class _Deadline(Deadline):
    """The end of a call to a host."""

    def __init__(self, seconds: float, host: str) -> None:
        super().__init__(seconds)
        self.host = host

    def __exit__(self, kind: type[BaseException] | None, problem: Any, _trace: object) -> None:
        """Say what went wrong without the URL, which may hold secrets."""
        super().__exit__(kind, problem, _trace)
        if isinstance(problem, OutboundRefused) or (kind and not issubclass(kind, Exception)):
            return
        if self.is_over:
            raise OutboundFailed(f"{self.host} took longer than {self.seconds} seconds.") from None
        if isinstance(problem, requests.RequestException | HTTPError | OSError):
            reason = type(problem).__name__
            raise OutboundFailed(f"{self.host} could not be asked ({reason}).") from None


class _PinnedHTTP(HTTPConnection):
    """A connection that goes where it is told, whatever its host's name means by now."""

    def __init__(self, *where: Any, dial: Dial, **options: Any) -> None:
        super().__init__(*where, **options)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        return self._dial()


class _PinnedHTTPS(HTTPSConnection):
    """The same; certificate and SNI are those of the host's name."""

    def __init__(self, *where: Any, dial: Dial, **options: Any) -> None:
        super().__init__(*where, **options)
        self._dial = dial

    def _new_conn(self) -> socket.socket:
        return self._dial()


class _Pinned(HTTPAdapter):
    """Sends requests over connections of ours; without a session, nothing else has a say."""

    def __init__(self, dial: Dial) -> None:
        self.dial = dial
        super().__init__()

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        """Trust the public authorities, and those that the operator has named."""
        trust = create_urllib3_context()
        if config.settings().outbound_ca:
            trust.load_verify_locations(cadata=config.settings().outbound_ca)
        super().init_poolmanager(*sizes, ssl_context=trust, **options)

    def get_connection_with_tls_context(self, *about: Any, **more: Any) -> Any:
        """Return a pool whose connections are pinned."""
        pool: Any = super().get_connection_with_tls_context(*about, **more)
        pool.ConnectionCls = _PinnedHTTPS if pool.scheme == "https" else _PinnedHTTP
        pool.conn_kw["dial"] = self.dial
        return pool


def _prepared(call: Call) -> requests.PreparedRequest:
    headers = {**call.headers, **OURS}
    try:
        return requests.Request(call.method, call.url, headers=headers, data=call.body).prepare()
    except (requests.RequestException, ValueError):
        raise OutboundRefused("This is no address that can be called.") from None


def _checked_host(url: SplitResult) -> str:
    """Return the host that is called.

    Raises:
        OutboundRefused: it is not called by https, and not allow-listed; or there is none.
    """
    host = (url.hostname or "").rstrip(".")
    if url.scheme not in PORTS or not host:
        raise OutboundRefused("Only https:// addresses are called.")
    if url.username is not None or url.password is not None:
        raise OutboundRefused("An address that is called has no user in it.")
    if url.scheme == "http" and not _is_allowed_host(url):
        raise OutboundRefused(f"{host} is only called by https.")
    return host


def _is_allowed_host(url: SplitResult) -> bool:
    """Tell whether the operator named this host, or it is an address of a network he named."""
    host, allowed = (url.hostname or "").rstrip("."), config.settings().outbound_allowed
    if (host, None) in allowed or (host, _port(url)) in allowed:
        return True
    with suppress(ValueError):
        return _is_allowed_address(ip_addresses.parse(host))
    return False


def _is_allowed_address(address: ip_addresses.Address) -> bool:
    networks = [one for one in config.settings().outbound_allowed if not isinstance(one, tuple)]
    return any(ip_addresses.is_within(address, network) for network in networks)


def _port(url: SplitResult) -> int:
    return url.port or PORTS[url.scheme]


def _checked_places(url: SplitResult, deadline: _Deadline) -> Sequence[Place]:
    """Return where a host is.

    Raises:
        OutboundRefused: one of its addresses is neither public nor allow-listed.
    """
    found = _resolved(url.hostname or "", _port(url), deadline)
    if _is_allowed_host(url):
        return found
    for _family, where in found:
        address = ip_addresses.parse(where[0])
        if not (ip_addresses.is_public(address) or _is_allowed_address(address)):
            raise OutboundRefused(f"{deadline.host} has an address that is not public.")
    return found


def _resolved(host: str, port: int, deadline: _Deadline) -> Sequence[Place]:
    try:
        return resolved(host, port, deadline)
    except (OSError, UnicodeError):
        raise OutboundFailed(f"{deadline.host} has no address.") from None


def _body(response: requests.Response, most: int, host: str) -> bytes:
    """Read the body as it is, never unpacked, and never more of it than is wanted."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise OutboundFailed(f"{host} sent a packed answer, which nobody asked for.")
    body = b""
    while piece := response.raw.read(most + 1 - len(body), decode_content=False):
        body += piece
        if len(body) > most:
            raise OutboundFailed(f"{host} sent more than {most} bytes.")
    return body  # the last, empty piece made sure that the announced length has come
