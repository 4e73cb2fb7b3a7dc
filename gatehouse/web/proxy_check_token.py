"""Path and short-lived token of the proxy check of `gatehouse doctor proxy`."""

from datetime import timedelta

from itsdangerous import BadSignature

from gatehouse.core import clock, crypto_labels
from gatehouse.core.errors import NotFound
from gatehouse.core.signing import StrictTimestampSigner, secret_keys

PROXY_CHECK_PATH = "/doctor/proxy"
TOKEN_HEADER = "X-Gatehouse-Doctor"  # noqa: S105 - the name of a header
LIFETIME = timedelta(seconds=60)


def sign() -> str:
    """Return a token that names the current time, signed with the active secret key."""
    return _signer().sign(PROXY_CHECK_PATH).decode()


def verify(token: str) -> None:
    """Check that a token was made with one of our secret keys within the last minute.

    The clock of `gatehouse doctor` may be ahead by as much.

    Raises:
        NotFound: it was not; the route does not exist for other clients.
    """
    try:
        _, signed_at = _signer().unsign(token, return_timestamp=True)
    except BadSignature:
        raise NotFound from None
    if abs(clock.now() - signed_at) > LIFETIME:
        raise NotFound


def _signer() -> StrictTimestampSigner:
    return StrictTimestampSigner(secret_keys(), salt=crypto_labels.PROXY_CHECK)
