"""An OpenID provider on a loopback address that answers truthfully, or lies as a test says."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

SECRET = "a secret & of the client+"
Claims = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


KEYS = [new_key("first"), new_key("second")]


def half_hash(value: str) -> str:
    """Return `at_hash` (OpenID Connect Core 1.0 section 3.1.3.6)."""
    return (
        base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()
    )


@dataclass
class OpenIdProvider:
    """The provider; a test changes its members to make it lie."""

    port: int = 0
    user: Claims = field(default_factory=dict)
    """Claims of the user who signs in."""
    key: ECKey = field(default_factory=lambda: KEYS[0])
    published: list[ECKey] = field(default_factory=lambda: KEYS[:1])
    metadata_changes: Claims = field(default_factory=dict)
    change_claims: Callable[[Claims], object] = lambda claims: None
    change_header: Callable[[Claims], object] = lambda header: None
    change_token: Callable[[str], str] = lambda token: token
    userinfo_changes: Claims = field(default_factory=dict)
    in_userinfo_only: bool = False
    answers: dict[str, Answer] = field(default_factory=dict)
    """Answers in the place of those of a path."""
    exchange: Callable[[Any, str], Claims] | None = None
    """Answers the exchange of a code, if the test does that itself."""
    delay: float = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Be truthful again, with a user whose address is verified."""
        fresh = OpenIdProvider(self.port, {"sub": "ada-1", "email": "ada@example.com"})
        fresh.user |= {"email_verified": True, "name": "Ada Lovelace"}
        self.__dict__.update(fresh.__dict__)

    def approve(self, url: str, **more: str) -> dict[str, str]:
        """Return the answer of the user's consent to an authorization request."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert url.startswith(f"{self.issuer}/authorize?"), url
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer, **more}

    def id_token(self, **claims: Any) -> str:
        """Return a signed ID token with these claims, as changed by the test."""
        now = int(time.time())
        complete = {"iss": self.issuer, "aud": "gatehouse", "iat": now, "exp": now + 300, **claims}
        header = {"alg": "ES256", "kid": self.key.kid, "typ": "JWT"}
        self.change_claims(complete)
        self.change_header(header)
        return self.change_token(jwt.encode(header, complete, self.key))

    def answer(self, method: str, path: str, headers: Any, body: str) -> Answer:
        """Return the answer to a request."""
        self.requests.append(path)
        time.sleep(self.delay)
        if path in self.answers:
            return self.answers[path]
        handler = {
            "/.well-known/openid-configuration": self._metadata,
            "/jwks": lambda *_: {"keys": [key.as_dict(private=False) for key in self.published]},
            "/token": self.exchange or self._tokens,
            "/userinfo": lambda *_: self.user | self.userinfo_changes,
        }.get(path)
        found = handler(headers, body) if handler else None
        status = 200 if found and "error" not in found else 400
        return status, {"Content-Type": "application/json"}, json.dumps(found or {}).encode()

    def _metadata(self, *_: object) -> Claims:
        endpoints = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
        found = {f"{name}_endpoint": f"{self.issuer}/{path}" for name, path in endpoints.items()}
        found |= {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks"}
        found |= {"authorization_response_iss_parameter_supported": True}
        return found | self.metadata_changes

    def _tokens(self, headers: Any, body: str) -> Claims:
        sent = {name: values[0] for name, values in parse_qs(body).items()}
        asked = self.codes.pop(sent.get("code", ""), None)
        pair = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
        client_id, _, secret = pair.partition(":")
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if asked is None or asked["code_challenge"] != challenge:
            return {"error": "invalid_grant"}
        if (unquote(client_id), unquote(secret)) != (asked["client_id"], SECRET):
            return {"error": "invalid_client"}
        if sent["redirect_uri"] != asked["redirect_uri"]:
            return {"error": "invalid_grant"}
        user = {"sub": self.user["sub"]} if self.in_userinfo_only else self.user
        claims = {"nonce": asked["nonce"], "at_hash": half_hash("opaque"), **user}
        return {
            "access_token": "opaque",
            "token_type": "Bearer",
            "id_token": self.id_token(**claims),
        }


@contextmanager
def running_provider() -> Iterator[OpenIdProvider]:
    """Yield a provider that runs."""
    provider = OpenIdProvider()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            status, headers, content = provider.answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = handle_any  # noqa: N815 - names of the library

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.port = server.server_port
    provider.reset()
    thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
