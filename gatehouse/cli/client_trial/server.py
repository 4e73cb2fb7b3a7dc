"""The server of the trial: a page on this machine that starts a sign-in and shows its messages."""

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from gatehouse.cli.client_trial.messages import to_page
from gatehouse.cli.client_trial.relying_party import TrialFailed, TrialRelyingParty

Answer = tuple[int, str]
"""A status, and a page or the URL of a redirect."""


class TrialServer(HTTPServer):
    """Listens on the loopback interface only, for one browser."""

    relying_party: TrialRelyingParty


class TrialHandler(BaseHTTPRequestHandler):
    """Serves the page, the redirect URI and the links between them."""

    server: TrialServer
    protocol_version = "HTTP/1.0"
    server_version = "Gatehouse"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer a request of the browser."""
        party, url = self.server.relying_party, urlsplit(self.path)
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            status, answer = self._route(party, url.path, parameters)
        except TrialFailed as problem:
            status, answer = 400, self._page(party, str(problem))
        self._send(status, answer)

    def _route(self, party: TrialRelyingParty, path: str, parameters: dict[str, str]) -> Answer:
        if path == urlsplit(party.client.redirect_uri).path and "state" in parameters:
            return self._finish(party, parameters)
        if path in self.actions:
            return self.actions[path](self, party)
        return (200, self._page(party, _title(party))) if path == "/" else (404, "Not found")

    def _finish(self, party: TrialRelyingParty, parameters: dict[str, str]) -> Answer:
        """Receive the answer to the authorization request, or to the logout request."""
        if {"code", "error"} & set(parameters):
            party.finish(parameters)
        else:
            party.finish_logout(parameters)
        return 200, self._page(party, _title(party))

    def _refresh(self, party: TrialRelyingParty) -> Answer:
        party.refresh()
        return 200, self._page(party, _title(party))

    actions: ClassVar[dict[str, Callable[["TrialHandler", TrialRelyingParty], Answer]]] = {
        "/start": lambda _, party: (303, party.start()),
        "/refresh": _refresh,
        "/logout": lambda _, party: (303, party.log_out()),
    }

    def _page(self, party: TrialRelyingParty, title: str) -> str:
        links = {"Sign in": "/start"}
        if "refresh_token" in party.tokens:
            links["Refresh"] = "/refresh"
        if "id_token" in party.tokens:
            links["Log out"] = "/logout"
        return to_page(title, party.messages, links)

    def _send(self, status: int, answer: str) -> None:
        self.send_response(status)
        body = b"" if status == 303 else answer.encode()
        if status == 303:
            self.send_header("Location", answer)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing: the terminal shows the messages of the flow."""


def _title(party: TrialRelyingParty) -> str:
    state = "signed in" if "access_token" in party.tokens else "signed out"
    return f"{party.client.client_id}: {state}"
