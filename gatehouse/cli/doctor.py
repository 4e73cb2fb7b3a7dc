"""`flask doctor`: finds out from outside what cannot be seen from inside."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import (  # noqa: TID251 - sends what no library would: a header twice
    HTTPConnection,
    HTTPException,
    HTTPSConnection,
)
from urllib.parse import urlsplit

import click
from flask.cli import AppGroup

import config
from gatehouse.settings.parsers import origin
from gatehouse.web import proxy_check_token

SPOOFED = "203.0.113.7"
UNDERSCORED = "203.0.113.8"
"""Made-up addresses that are nobody's (RFC 5737)."""
PATIENCE = 10  # seconds
LONGEST = 65_536  # bytes of an answer

doctor = AppGroup("doctor", help="Check-ups of the running service.")


@dataclass(frozen=True)
class Report:
    """How the service derived the address of one request."""

    peer: str
    forwarded_for: str
    hops: int
    address: str

    @property
    def entries(self) -> list[str]:
        """The addresses of X-Forwarded-For, the client's first."""
        return [entry.strip() for entry in self.forwarded_for.split(",") if entry.strip()]


@doctor.command("proxy")
@click.argument("url", required=False)
def proxy(url: str | None) -> None:
    """Show how the running service derives a visitor's address, and try to fool it.

    URL is how visitors reach it: the public URL, unless another is given.
    """
    place = _place(url or config.settings().public_url)
    honest = ask(place)
    spoofed = ask(place, ("X-Forwarded-For", SPOOFED), ("X_Forwarded_For", UNDERSCORED))
    _show(place, honest, spoofed)
    if problems := list(diagnose(honest, spoofed)):
        raise click.ClickException("\n".join(problems))
    click.echo("Neither made-up address got through; visitors are told apart as they should be.")


def ask(url: str, *headers: tuple[str, str]) -> Report:
    """Ask the service about a request with these headers, exactly as they are written here."""
    try:
        status, body = _send(url, headers)
        if status == 200:
            return Report(**json.loads(body))
    except (OSError, HTTPException, TypeError, ValueError) as problem:
        reason = str(problem) or type(problem).__name__
        raise click.ClickException(f"{url} does not answer as Gatehouse does: {reason}") from None
    raise click.ClickException(
        f"{url} answered {status}: it is another service, runs with other GATEHOUSE_SECRET_KEYS"
        " than this command, or its clock differs by more than a minute."
    )


def diagnose(honest: Report, spoofed: Report) -> Iterator[str]:
    """Say what is wrong, one sentence and its remedy each."""
    found, trusted = len(honest.entries), honest.hops
    if found > trusted:
        yield (
            f"Proxies wrote {found} entries of X-Forwarded-For, but GATEHOUSE_TRUSTED_HOPS is"
            f" {trusted}: all visitors share the address {honest.address}. Set it to {found}."
        )
    if found < trusted:
        yield (
            f"GATEHOUSE_TRUSTED_HOPS is {trusted}, but on this way proxies wrote {found} entries of"
            " X-Forwarded-For: visitors can choose their address. Let your proxy append to it, let"
            f" nobody come past it, or set GATEHOUSE_TRUSTED_HOPS to {found}."
        )
    if found == trusted and spoofed.address == SPOOFED:
        yield (
            "X-Forwarded-For of a visitor got through: your proxy keeps what visitors write. Let"
            " it append the address it sees, or overwrite the header with it."
        )
    if spoofed.address == UNDERSCORED:
        yield (
            "X_Forwarded_For, with underscores, got through: your proxy passes such names. Let it"
            " drop them (nginx: underscores_in_headers off, its default)."
        )


def _place(url: str) -> str:
    try:
        return origin(url)
    except ValueError as problem:
        raise click.ClickException(f"URL {problem}.") from None


def _send(url: str, headers: tuple[tuple[str, str], ...]) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connect = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connect(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        connection.putrequest("GET", proxy_check_token.PROXY, skip_accept_encoding=True)
        for name, value in ((proxy_check_token.HEADER, proxy_check_token.proof()), *headers):
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read(LONGEST)
    finally:
        connection.close()


def _show(url: str, honest: Report, spoofed: Report) -> None:
    click.echo(f"{url}, asked as any visitor, and with made-up addresses:\n")
    rows = (
        ("came from", honest.peer, spoofed.peer),
        ("X-Forwarded-For", honest.forwarded_for or "-", spoofed.forwarded_for or "-"),
        ("trusted hops", str(honest.hops), str(spoofed.hops)),
        ("visitor's address", honest.address or "-", spoofed.address or "-"),
    )
    width = max(len(first) for _, first, _ in rows)
    for name, first, second in rows:
        click.echo(f"  {name:<18} {first:<{width}}  {second}")
    click.echo()
