"""The check-up that `flask doctor` makes of a running service: where, and who may."""

from gatehouse.core import clock, crypto
from gatehouse.core.errors import NotFound

PROXY = "/doctor/proxy"
HEADER = "X-Gatehouse-Doctor"
LIFETIME = 60  # seconds
PURPOSE = "doctor"


def proof() -> str:
    """Return what only somebody with the secret keys can write: `<seconds since 1970>.<hmac>`."""
    moment = str(clock.seconds())
    return f"{moment}.{crypto.keyed_digest(PURPOSE, moment)}"


def require(proof: str) -> None:
    """Return if the proof was made with our keys in the last minute.

    Raises:
        NotFound: it was not; for everybody else there is nothing here.
    """
    moment, _, digest = proof.partition(".")
    if not (moment.isascii() and moment.isdigit() and len(moment) <= 12):
        raise NotFound
    if abs(clock.seconds() - int(moment)) > LIFETIME:
        raise NotFound
    if not any(crypto.equal(digest, ours) for ours in crypto.keyed_digests(PURPOSE, moment)):
        raise NotFound
