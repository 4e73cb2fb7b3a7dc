"""The command `gatehouse clients try`."""

import dataclasses
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import SplitResult, urlsplit

import click
from flask import current_app

import config
from gatehouse.cli.client_trial.messages import Message
from gatehouse.cli.client_trial.relying_party import TrialRelyingParty, TriedClient
from gatehouse.cli.client_trial.server import TrialHandler, TrialServer
from gatehouse.cli.clients import CLIENT_HELP, clients
from gatehouse.database.session import db
from models import OAuthClient

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NEEDS_SECRET = ("client_secret_basic", "client_secret_post")
DEFAULT_SCOPES = ("openid", "profile", "email", "offline_access")


@clients.command("try", epilog=CLIENT_HELP)
@click.argument("client")
@click.option("--scope", help="Scopes to ask for, separated by spaces.")
@click.option("--secret", envvar="CLIENT_SECRET", help="Asked for, if the client has one.")
def try_client(client: str, scope: str | None, secret: str | None) -> None:
    """Sign in as CLIENT in your browser, and see every message of the flow.

    It needs a redirect URI on this machine. Stop it with Ctrl-C.
    """
    found = _find(client)
    registered = _loopback_uri(found.redirect_uris)
    if registered is None:
        raise click.ClickException(
            f"{client} has no redirect URI on this machine. Add http://127.0.0.1/callback to its"
            " redirect URIs (any port of 127.0.0.1 is then accepted), and try again."
        )
    if found.authentication_method in NEEDS_SECRET:
        secret = secret or click.prompt("Client secret", hide_input=True)
    with _listening(registered) as server, _allowed_issuer() as issuer:
        tried = _describe(found, secret or "", _with_port(registered, server))
        chosen = dataclasses.replace(tried, scope=scope or tried.scope)
        server.relying_party = TrialRelyingParty(issuer, chosen, _show)
        db.session.close()
        _serve(server, registered.hostname or "")


def _find(client_id: str) -> OAuthClient:
    """Return a client that can sign users in.

    Raises:
        ClickException: there is none, or it cannot be tried here.
    """
    found = db.session.get(OAuthClient, client_id)
    if found is None or not found.enabled:
        raise click.ClickException(f"There is no enabled client {client_id}.")
    if "authorization_code" not in found.grant_types:
        raise click.ClickException(f"{client_id} signs no users in: it has no authorization_code.")
    if found.authentication_method == "private_key_jwt":
        raise click.ClickException(
            f"{client_id} authenticates with a private key, which this command does not have."
        )
    return found


def _loopback_uri(uris: Sequence[str]) -> SplitResult | None:
    """Return the first of the URIs that leads to this machine over http."""
    parts = (urlsplit(uri) for uri in uris)
    return next((uri for uri in parts if uri.scheme == "http" and uri.hostname in LOOPBACK), None)


@contextmanager
def _listening(uri: SplitResult) -> Iterator[TrialServer]:
    """Listen on the port of a redirect URI; on a free one if it has none.

    Raises:
        ClickException: the port is in use.
    """
    host = "127.0.0.1" if uri.hostname == "localhost" else uri.hostname or ""
    port = uri.port or (80 if uri.hostname == "localhost" else 0)  # RFC 8252 section 7.3
    try:
        server = TrialServer((host, port), TrialHandler)
    except OSError:
        raise click.ClickException(
            f"Another program uses port {port}, which the redirect URI names."
        ) from None
    with server:
        yield server


@contextmanager
def _allowed_issuer() -> Iterator[str]:
    """Allow this command to send requests to the service itself, also to an inside address."""
    settings = config.settings()
    issuer = urlsplit(settings.public_url or "")
    port = issuer.port or (443 if issuer.scheme == "https" else 80)
    allowed = (*settings.egress_allowlist, (issuer.hostname or "", port))
    current_app.extensions["gatehouse.settings"] = dataclasses.replace(
        settings, egress_allowlist=allowed
    )
    yield issuer.geturl()
    current_app.extensions["gatehouse.settings"] = settings


def _describe(client: OAuthClient, secret: str, redirect_uri: str) -> TriedClient:
    scopes = [scope for scope in DEFAULT_SCOPES if scope in client.scopes]
    return TriedClient(
        client_id=client.id,
        authentication_method=client.authentication_method,
        secret=secret,
        scope=" ".join(scopes),
        redirect_uri=redirect_uri,
        post_logout_redirect_uri=(
            redirect_uri if redirect_uri in client.post_logout_redirect_uris else None
        ),
    )


def _with_port(uri: SplitResult, server: TrialServer) -> str:
    return uri._replace(netloc=_origin(uri.hostname or "", server)).geturl()


def _origin(host: str, server: TrialServer) -> str:
    name = f"[{host}]" if ":" in host else host
    port = int(server.server_address[1])
    return name if port == 80 else f"{name}:{port}"


def _serve(server: TrialServer, host: str) -> None:
    click.echo(f"Open http://{_origin(host, server)}/start to sign in. Stop with Ctrl-C.\n")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _show(message: Message) -> None:
    click.echo(message.to_text())
