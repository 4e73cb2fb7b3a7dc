"""What letters of this room and of those above tell of a challenge."""

from datetime import timedelta
from typing import Any

from gatehouse.core import clock
from gatehouse.messaging.links import link
from gatehouse.one_time_codes.service import Secrets


def proof(page: str, secrets: Secrets, lifetime: timedelta) -> dict[str, Any]:
    """Return the variables of a mail: the `code`, the `link` to a page, and when both expire."""
    where = link(page, secrets.id, secrets.token)
    return {"code": secrets.code, "link": where, "expires": clock.now() + lifetime}
