"""The outbound HTTP client: every request to another server goes through it.

It prevents server-side request forgery (SSRF), where an attacker chooses a URL that leads to
machines which trust us. It connects by https to public IP addresses only, except to hosts and
networks in GATEHOUSE_EGRESS_ALLOWLIST. It checks all addresses of a name and connects to a checked
address, even if the name is changed meanwhile (DNS rebinding). It follows no redirect, decompresses
nothing, keeps no cookie, and takes no proxy or password from the environment. One deadline and one
maximum size apply to the whole response.
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
from gatehouse.net.deadline import Deadline, SocketAddress, connect, resolve_host

DEFAULT_PORTS = {"https": 443, "http": 80}
FIXED_HEADERS = {"User-Agent": "Gatehouse", "Accept-Encoding": "identity", "Connection": "close"}
Connector = Callable[[], socket.socket]


class OutboundRequestFailed(Exception):
    """There is no usable response; the message gives the reason and contains no secret."""


class OutboundRequestBlocked(OutboundRequestFailed):
    """The request was not sent: its URL is not allowed."""


class UnusableResponse(OutboundRequestFailed):
    """There is a response, which is too large or compressed."""


@dataclass(frozen=True)
class HttpRequest:
    """A request, with `timeout` (seconds) and `max_bytes` for its whole response."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float = 10
    max_bytes: int = 1_048_576


@dataclass(frozen=True)
class HttpResponse:
    """A response as received: 3xx is not followed. Header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send_request(http_request: HttpRequest) -> HttpResponse:
    """Send a request and return its whole response.

    Raises:
        OutboundRequestBlocked: the URL is not allowed.
        UnusableResponse: the response is too large or compressed.
        OutboundRequestFailed: no response, or one that is too slow.
    """
    request = _prepare_request(http_request)
    url = urlsplit(request.url or "")
    host = _require_allowed_host(url)
    with _HostDeadline(http_request.timeout, host) as deadline:
        addresses = _resolve_allowed(url, deadline)
        adapter = _PinnedAdapter(lambda: deadline.close_on_expiry(connect(addresses, deadline)))
        sent = adapter.send(request, stream=True, timeout=deadline.remaining)
        with closing(adapter), closing(sent) as response:
            body = _read_body(response, http_request.max_bytes, host)
            return HttpResponse(response.status_code, response.headers, body)


class _HostDeadline(Deadline):
    """The deadline of a request to a host; converts library errors."""

    def __init__(self, seconds: float, host: str) -> None:
        super().__init__(seconds)
        self.host = host

    def __exit__(self, kind: type[BaseException] | None, error: object, _trace: object) -> None:
        """Raise `OutboundRequestFailed` without the URL, which may contain secrets."""
        super().__exit__(kind, error, _trace)
        if isinstance(error, OutboundRequestBlocked) or (kind and not issubclass(kind, Exception)):
            return
        if self.has_passed:
            raise OutboundRequestFailed(
                f"{self.host} took longer than {self.seconds} seconds."
            ) from None
        if isinstance(error, requests.RequestException | HTTPError | OSError):
            reason = type(error).__name__
            raise OutboundRequestFailed(f"{self.host} did not answer ({reason}).") from None


class _PinnedHTTP(HTTPConnection):
    """A connection to the checked IP address; the host name is not resolved again."""

    def __init__(self, *args: Any, connector: Connector, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connector = connector

    def _new_conn(self) -> socket.socket:
        return self._connector()


class _PinnedHTTPS(HTTPSConnection):
    """The same with TLS; certificate check and SNI use the host name."""

    def __init__(self, *args: Any, connector: Connector, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connector = connector

    def _new_conn(self) -> socket.socket:
        return self._connector()


class _PinnedAdapter(HTTPAdapter):
    """Sends requests over pinned connections; used without a session, so no defaults apply."""

    def __init__(self, connector: Connector) -> None:
        self.connector = connector
        super().__init__()

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        """Trust the public certificate authorities and those in GATEHOUSE_CA_BUNDLE."""
        context = create_urllib3_context()
        if config.settings().ca_bundle:
            context.load_verify_locations(cadata=config.settings().ca_bundle)
        super().init_poolmanager(*sizes, ssl_context=context, **options)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return a pool whose connections are pinned."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = _PinnedHTTPS if pool.scheme == "https" else _PinnedHTTP
        pool.conn_kw["connector"] = self.connector
        return pool


def _prepare_request(http_request: HttpRequest) -> requests.PreparedRequest:
    headers = {**http_request.headers, **FIXED_HEADERS}
    try:
        return requests.Request(
            http_request.method, http_request.url, headers=headers, data=http_request.body
        ).prepare()
    except (requests.RequestException, ValueError):
        raise OutboundRequestBlocked("The URL is malformed.") from None


def require_allowed_url(url: str) -> None:
    """Require a URL that requests can be sent to, before its name is resolved.

    Raises:
        OutboundRequestBlocked: malformed, not https and not allow-listed, user information, or an
            IP address that is neither public nor allow-listed.
    """
    parts = urlsplit(_prepare_request(HttpRequest("POST", url)).url or "")
    host = _require_allowed_host(parts)
    with suppress(ValueError):  # a name
        ip = ip_addresses.parse_ip_address(host)
        if not (_is_allowed_host(parts) or ip_addresses.is_public(ip)):
            raise OutboundRequestBlocked(f"{host} is an IP address that is not public.")


def _require_allowed_host(url: SplitResult) -> str:
    """Return the host of a URL.

    Raises:
        OutboundRequestBlocked: not https and not allow-listed, no host, or user information.
    """
    host = (url.hostname or "").rstrip(".")
    if url.scheme not in DEFAULT_PORTS or not host:
        raise OutboundRequestBlocked("Only https:// URLs with a host are allowed.")
    if url.username is not None or url.password is not None:
        raise OutboundRequestBlocked("A user name or password in the URL is not allowed.")
    if url.scheme == "http" and not _is_allowed_host(url):
        raise OutboundRequestBlocked(
            f"{host} is only allowed by https, unless GATEHOUSE_EGRESS_ALLOWLIST names it."
        )
    return host


def _is_allowed_host(url: SplitResult) -> bool:
    """Return whether the host, or the network of its IP address, is in the allow-list."""
    host, allowed = (url.hostname or "").rstrip("."), config.settings().egress_allowlist
    if (host, None) in allowed or (host, _port_of(url)) in allowed:
        return True
    with suppress(ValueError):
        return _is_allowed_ip(ip_addresses.parse_ip_address(host))
    return False


def _is_allowed_ip(ip: ip_addresses.IpAddress) -> bool:
    allowed = config.settings().egress_allowlist
    networks = [entry for entry in allowed if not isinstance(entry, tuple)]
    return any(ip_addresses.is_in_network(ip, network) for network in networks)


def _port_of(url: SplitResult) -> int:
    return url.port or DEFAULT_PORTS[url.scheme]


def _resolve_allowed(url: SplitResult, deadline: _HostDeadline) -> Sequence[SocketAddress]:
    """Resolve a host and check all its IP addresses.

    Raises:
        OutboundRequestBlocked: one of them is neither public nor allow-listed.
    """
    addresses = _resolve_host(url.hostname or "", _port_of(url), deadline)
    if _is_allowed_host(url):
        return addresses
    for _family, sockaddr in addresses:
        ip = ip_addresses.parse_ip_address(sockaddr[0])
        if not (ip_addresses.is_public(ip) or _is_allowed_ip(ip)):
            raise OutboundRequestBlocked(f"{deadline.host} has an IP address that is not public.")
    return addresses


def _resolve_host(host: str, port: int, deadline: _HostDeadline) -> Sequence[SocketAddress]:
    try:
        return resolve_host(host, port, deadline)
    except (OSError, UnicodeError):
        raise OutboundRequestFailed(f"{deadline.host} has no IP address.") from None


def _read_body(response: requests.Response, max_bytes: int, host: str) -> bytes:
    """Read at most `max_bytes` of the body; never decompress it."""
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnusableResponse(f"{host} sent a compressed response, which was not requested.")
    body = b""
    while chunk := response.raw.read(max_bytes + 1 - len(body), decode_content=False):
        body += chunk
        if len(body) > max_bytes:
            raise UnusableResponse(f"{host} sent more than {max_bytes} bytes.")
    return body  # the last, empty read verified that the Content-Length was reached
