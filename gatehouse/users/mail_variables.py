"""Template variables of e-mails that carry a one-time code and its link."""

from datetime import timedelta
from typing import Any

from gatehouse.core import clock
from gatehouse.messaging.links import one_time_link
from gatehouse.one_time_codes.service import Secrets


def build_code_variables(page: str, secrets: Secrets, lifetime: timedelta) -> dict[str, Any]:
    """Return the `code`, the `link` to a page, and when both expire (`expires`)."""
    url = one_time_link(page, secrets.id, secrets.token)
    return {"code": secrets.code, "link": url, "expires": clock.now() + lifetime}
