"""Verifies Gatehouse's access tokens in another service: by its keys, and by its status lists.

Needs `PyJWT[crypto]` and `requests`. Copy it, and make one Verifier for the whole process.
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
PATIENCE = 5  # seconds to wait for an answer, and before asking again after a failure
PLACES = 2**20  # in a list; what unpacks to more is none of Gatehouse's
LONGEST = 400_000  # characters of a list; a full one has fewer than 240,000


class Refused(Exception):
    """The token must not be believed; the text says why, for the log."""


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
        self.keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", timeout=PATIENCE)
        self.lists: dict[str, StatusList] = {}

    def verify(self, token: str) -> dict:
        """Return the claims of an access token; raise Refused where it is not to be believed."""
        try:
            claims = self._decode(token, "at+jwt", issuer=self.issuer, audience=self.audience)
            status = claims.get("status")
            if status is not None:  # sessions that are older than the lists have none
                self._check(status["status_list"]["uri"], status["status_list"]["idx"])
        except (jwt.PyJWTError, requests.RequestException) as problem:
            raise Refused(str(problem)) from problem
        except (ValueError, KeyError, TypeError, zlib.error) as problem:
            raise Refused(f"malformed: {problem!r}") from problem
        return claims

    def _decode(self, token: str, typ: str, **expected: str) -> dict:
        header = jwt.get_unverified_header(token)
        if header.get("typ") != typ or header.get("alg") not in ALGORITHMS:
            raise Refused(f"this is no {typ}")
        key = self.keys.get_signing_key(header.get("kid"))
        required = {"require": ["exp", "iat", "sub"]}
        algorithms = [key.algorithm_name]  # the key's own, whatever the header says
        return jwt.decode(
            token, key, algorithms=algorithms, leeway=LEEWAY, options=required, **expected
        )

    def _check(self, uri: str, idx: int) -> None:
        """Refuse the token whose bit is 1: its session has ended."""
        bits = self._list(uri).bits
        if type(idx) is not int or not 0 <= idx < 8 * len(bits):
            raise Refused("its place is not in the list")
        if bits[idx // 8] >> idx % 8 & 1:
            raise Refused("its session has ended")

    def _list(self, uri: str) -> StatusList:
        """Return a list that is as fresh as its `ttl` wants it, or at least not yet expired."""
        if not str(uri).startswith(f"{self.issuer}/tokens/status/"):
            raise Refused("its list is not the issuer's")
        kept = self.lists.get(uri)
        if kept and time.time() < kept.fetch_at:
            return kept
        if kept:  # the other threads go on with it meanwhile
            kept.fetch_at = min(time.time() + PATIENCE, kept.expires_at)
        try:
            kept = self.lists[uri] = self._fetch(uri)
        except requests.RequestException:
            if kept is None or time.time() >= kept.expires_at:
                raise
        return kept

    def _fetch(self, uri: str) -> StatusList:
        """Fetch a list and verify it: draft-ietf-oauth-status-list section 8.3."""
        asked = {"Accept": "application/statuslist+jwt", "Accept-Encoding": "identity"}
        with requests.get(
            uri, headers=asked, timeout=PATIENCE, allow_redirects=False, stream=True
        ) as answer:
            if answer.status_code != 200:
                raise requests.HTTPError(f"{uri} answered {answer.status_code}")
            text = answer.raw.read(LONGEST + 1, decode_content=False).decode("ascii")
        if len(text) > LONGEST:
            raise Refused("the list is too long")
        claims = self._decode(text, "statuslist+jwt", subject=uri)
        fetch_at = min(time.time() + claims["ttl"], claims["exp"])  # before Cache-Control: 8.2
        return StatusList(unpack(claims["status_list"]), claims["exp"], fetch_at)


def unpack(status_list: dict) -> bytes:
    """Return the bits of a list, and never more of them than a list has (section 4.1)."""
    if status_list["bits"] != 1:
        raise ValueError("a place has one bit")
    packed = status_list["lst"]
    unpacking = zlib.decompressobj()
    packed = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    bits = unpacking.decompress(packed, PLACES // 8)
    if unpacking.unconsumed_tail or not unpacking.eof:
        raise ValueError("the list is larger than a list, or broken")
    return bits


if __name__ == "__main__":  # python verify.py https://auth.example.com TOKEN
    print(Verifier(sys.argv[1], sys.argv[1]).verify(sys.argv[2]))
