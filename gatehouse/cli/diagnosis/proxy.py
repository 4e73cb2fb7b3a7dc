"""`gatehouse doctor proxy`: check from outside how the running service identifies clients."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import (  # noqa: TID251 - other clients do not send a header twice
    HTTPConnection,
    HTTPException,
    HTTPSConnection,
)
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext

import config
from gatehouse.settings.parsers import origin
from gatehouse.web import proxy_check_token

SPOOFED = "203.0.113.7"
UNDERSCORED = "203.0.113.8"
"""Invented IP addresses, from a range for documentation (RFC 5737)."""
TIMEOUT = 10  # seconds
MAX_RESPONSE_BYTES = 65_536


@dataclass(frozen=True)
class ProxyReport:
    """How the service derived the client IP address of one request."""

    peer: str
    forwarded_for: str
    hops: int
    address: str

    @property
    def entries(self) -> list[str]:
        """Entries of X-Forwarded-For, the client's first."""
        return [entry.strip() for entry in self.forwarded_for.split(",") if entry.strip()]


@click.command("proxy")
@click.argument("url", required=False)
@with_appcontext
def check_proxy(url: str | None) -> None:
    """Show how the running service derives a client's IP address, and try to spoof it.

    URL is the origin at which clients reach the service; by default the public URL.
    """
    origin_url = _parse_origin(url or config.settings().public_url)
    honest = fetch_report(origin_url)
    spoofed_headers = (("X-Forwarded-For", SPOOFED), ("X_Forwarded_For", UNDERSCORED))
    spoofed = fetch_report(origin_url, *spoofed_headers)
    _print_reports(origin_url, honest, spoofed)
    if problems := list(diagnose(honest, spoofed)):
        raise click.ClickException("\n".join(problems))
    click.echo("Neither invented IP address got through: clients are identified correctly.")


def fetch_report(url: str, *headers: tuple[str, str]) -> ProxyReport:
    """Send a request with these headers, in this order; return the service's report."""
    try:
        status, body = _send_request(url, headers)
        if status == 200:
            return ProxyReport(**json.loads(body))
    except (OSError, HTTPException, TypeError, ValueError) as problem:
        reason = str(problem) or type(problem).__name__
        raise click.ClickException(f"{url} does not respond like Gatehouse: {reason}") from None
    raise click.ClickException(
        f"{url} responded with {status}: it is another service, runs with other"
        " GATEHOUSE_SECRET_KEYS than this command, or its clock differs by more than a minute."
    )


def diagnose(honest: ProxyReport, spoofed: ProxyReport) -> Iterator[str]:
    """Yield each problem and its remedy."""
    found, trusted = len(honest.entries), honest.hops
    if found > trusted:
        yield (
            f"Proxies wrote {found} entries of X-Forwarded-For, but GATEHOUSE_TRUSTED_HOPS is"
            f" {trusted}: all clients share the IP address {honest.address}. Set it to {found}."
        )
    if found < trusted:
        yield (
            f"GATEHOUSE_TRUSTED_HOPS is {trusted}, but proxies on this path wrote {found} entries"
            " of X-Forwarded-For: clients can choose their IP address. Let your proxy append to it,"
            f" block requests that bypass it, or set GATEHOUSE_TRUSTED_HOPS to {found}."
        )
    if found == trusted and spoofed.address == SPOOFED:
        yield (
            "X-Forwarded-For of a client got through: your proxy keeps what clients send. Let it"
            " append the IP address it sees, or overwrite the header with it."
        )
    if spoofed.address == UNDERSCORED:
        yield (
            "X_Forwarded_For, with underscores, got through: your proxy forwards such headers. Let"
            " it drop them (nginx: underscores_in_headers off, its default)."
        )


def _parse_origin(url: str) -> str:
    try:
        return origin(url)
    except ValueError as problem:
        raise click.ClickException(f"URL {problem}.") from None


def _send_request(url: str, headers: tuple[tuple[str, str], ...]) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = _connect(parts.scheme, parts.hostname or "", parts.port)
    try:
        connection.putrequest("GET", proxy_check_token.PROXY_CHECK_PATH, skip_accept_encoding=True)
        for name, value in ((proxy_check_token.TOKEN_HEADER, proxy_check_token.sign()), *headers):
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read(MAX_RESPONSE_BYTES)
    finally:
        connection.close()


def _connect(scheme: str, host: str, port: int | None) -> HTTPConnection:
    """Return a connection that trusts the public authorities and those of the setting."""
    if scheme == "http":
        return HTTPConnection(host, port, timeout=TIMEOUT)
    context = ssl.create_default_context()
    if config.settings().ca_bundle:
        context.load_verify_locations(cadata=config.settings().ca_bundle)
    return HTTPSConnection(host, port, timeout=TIMEOUT, context=context)


def _print_reports(url: str, honest: ProxyReport, spoofed: ProxyReport) -> None:
    click.echo(f"{url}, requested normally, and with invented IP addresses:\n")
    rows = (
        ("connection from", honest.peer, spoofed.peer),
        ("X-Forwarded-For", honest.forwarded_for or "-", spoofed.forwarded_for or "-"),
        ("trusted hops", str(honest.hops), str(spoofed.hops)),
        ("client's IP address", honest.address or "-", spoofed.address or "-"),
    )
    width = max(len(first) for _, first, _ in rows)
    for name, first, second in rows:
        click.echo(f"  {name:<20} {first:<{width}}  {second}")
    click.echo()
