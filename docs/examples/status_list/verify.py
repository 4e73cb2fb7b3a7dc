"""Verify Gatehouse's access tokens in another service, with its keys and its status lists.

Needs `PyJWT[crypto]` and `requests`. Copy it, and create one Verifier for the whole process.
"""

import base64
import sys
import time
import zlib
from dataclasses import dataclass

import jwt
import requests

ALGORITHMS = ["ES256", "EdDSA", "RS256"]
LEEWAY = 5  # seconds that clocks may differ
TIMEOUT = 5  # seconds to wait for a response, and before retrying after a failure
LIST_SIZE = 2**20  # entries of a list; Gatehouse publishes none with more
MAX_LENGTH = 400_000  # characters of a list; a full one has fewer than 240,000


class TokenRejected(Exception):
    """The token is not valid; the message says why, for the log."""


@dataclass
class StatusList:
    """A list that was fetched and verified."""

    bits: bytes
    expires_at: float
    fetch_at: float


class Verifier:
    """Verifies the tokens of one issuer for one audience."""

    def __init__(self, issuer: str, audience: str) -> None:
        self.issuer, self.audience = issuer, audience
        self.keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", timeout=TIMEOUT)
        self.lists: dict[str, StatusList] = {}

    def verify(self, token: str) -> dict:
        """Return the claims of an access token, or raise TokenRejected."""
        try:
            claims = self._decode(token, "at+jwt", issuer=self.issuer, audience=self.audience)
            status = claims.get("status")
            if status is not None:  # sessions opened before Gatehouse had lists have none
                self._check(status["status_list"]["uri"], status["status_list"]["idx"])
        except (jwt.PyJWTError, requests.RequestException) as error:
            raise TokenRejected(str(error)) from error
        except (ValueError, KeyError, TypeError, zlib.error) as error:
            raise TokenRejected(f"malformed: {error!r}") from error
        return claims

    def _decode(self, token: str, typ: str, **expected: str) -> dict:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != typ or header.get("alg") not in ALGORITHMS:
            raise TokenRejected(f"not a token of type {typ}")
        key = self.keys.get_signing_key(header.get("kid"))
        required = {"require": ["exp", "iat", "sub"]}
        algorithms = [key.algorithm_name]  # the key's own, whatever the header says
        return jwt.decode(
            token, key, algorithms=algorithms, leeway=LEEWAY, options=required, **expected
        )

    def _check(self, uri: str, idx: int) -> None:
        """Reject the token if its bit is 1: its session has ended."""
        bits = self._list(uri).bits
        if type(idx) is not int or not 0 <= idx < 8 * len(bits):
            raise TokenRejected("its index is not in the list")
        if bits[idx // 8] >> idx % 8 & 1:
            raise TokenRejected("its session has ended")

    def _list(self, uri: str) -> StatusList:
        """Return a list that is as fresh as its `ttl` demands, or at least not yet expired."""
        if not str(uri).startswith(f"{self.issuer}/tokens/status/"):
            raise TokenRejected("its list is not the issuer's")
        cached = self.lists.get(uri)
        if cached and time.time() < cached.fetch_at:
            return cached
        if cached:  # the other threads use it meanwhile
            cached.fetch_at = min(time.time() + TIMEOUT, cached.expires_at)
        try:
            cached = self.lists[uri] = self._fetch(uri)
        except requests.RequestException:
            if cached is None or time.time() >= cached.expires_at:
                raise
        return cached

    def _fetch(self, uri: str) -> StatusList:
        """Fetch a list and verify it: draft-ietf-oauth-status-list section 8.3."""
        headers = {"Accept": "application/statuslist+jwt", "Accept-Encoding": "identity"}
        with requests.get(
            uri, headers=headers, timeout=TIMEOUT, allow_redirects=False, stream=True
        ) as response:
            if response.status_code != 200:
                raise requests.HTTPError(f"{uri} responded with {response.status_code}")
            text = response.raw.read(MAX_LENGTH + 1, decode_content=False).decode("ascii")
        if len(text) > MAX_LENGTH:
            raise TokenRejected("the list is too long")
        claims = self._decode(text, "statuslist+jwt", subject=uri)
        fetch_at = min(time.time() + claims["ttl"], claims["exp"])  # before Cache-Control: 8.2
        return StatusList(decompress(claims["status_list"]), claims["exp"], fetch_at)


def decompress(status_list: dict) -> bytes:
    """Return the bits of a list, and never more than a list has (section 4.1)."""
    if status_list["bits"] != 1:
        raise ValueError("an entry must have one bit")
    compressed = status_list["lst"]
    decompressor = zlib.decompressobj()
    compressed = base64.urlsafe_b64decode(compressed + "=" * (-len(compressed) % 4))
    bits = decompressor.decompress(compressed, LIST_SIZE // 8)
    if decompressor.unconsumed_tail or not decompressor.eof:
        raise ValueError("the list is too large, or broken")
    return bits


if __name__ == "__main__":  # python verify.py https://auth.example.com TOKEN
    print(Verifier(sys.argv[1], sys.argv[1]).verify(sys.argv[2]))
