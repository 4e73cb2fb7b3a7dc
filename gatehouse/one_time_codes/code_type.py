"""What distinguishes the types of one-time codes."""

from dataclasses import dataclass
from datetime import timedelta

from gatehouse.one_time_codes.service import CODE_DIGITS, InvalidCode


@dataclass(frozen=True)
class CodeType:
    """What distinguishes the codes of one purpose; declared once, beside their flow."""

    purpose: str
    template: str
    """Of the e-mail."""
    lifetime: timedelta
    """Of a code by e-mail; other channels may shorten it."""
    error: type[InvalidCode] = InvalidCode
    """Raised if a code or link does not work."""
    short_template: str = ""
    """Of an SMS or other short message."""
    digits: int = CODE_DIGITS
    page: str = ""
    """The page that the link in an e-mail opens; without one, there is no link."""
    shows_code: bool = False
    """Whether that page shows the code, for another browser."""
    replaces_older: bool = False
    """Whether a new code voids the user's older ones."""
