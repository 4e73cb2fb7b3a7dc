"""Path and short-lived token of the proxy check of `flask doctor proxy`."""

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.errors import NotFound

PROXY_CHECK_PATH = "/doctor/proxy"
TOKEN_HEADER = "X-Gatehouse-Doctor"  # noqa: S105 - the name of a header
LIFETIME = 60  # seconds
PURPOSE = crypto_labels.PROXY_CHECK


def sign() -> str:
    """Return a token, `<seconds since 1970>.<hmac>`, made with the active secret key."""
    timestamp = str(clock.unix_time())
    return f"{timestamp}.{crypto.keyed_digest(PURPOSE, timestamp)}"


def verify(token: str) -> None:
    """Check that a token was made with one of our secret keys within the last minute.

    Raises:
        NotFound: it was not; the route does not exist for other clients.
    """
    timestamp, _, digest = token.partition(".")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise NotFound
    if abs(clock.unix_time() - int(timestamp)) > LIFETIME:
        raise NotFound
    valid = crypto.keyed_digests(PURPOSE, timestamp)
    if not any(crypto.constant_time_equal(digest, each) for each in valid):
        raise NotFound
