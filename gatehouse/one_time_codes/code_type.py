"""What distinguishes the types of one-time codes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import config
from config import Settings
from gatehouse.one_time_codes.service import CODE_DIGITS, InvalidCode


@dataclass(frozen=True)
class CodeType:
    """What distinguishes the codes of one purpose; declared once, beside their flow."""

    purpose: str
    template: str
    """Of the e-mail."""
    lifetime_of: Callable[[Settings], timedelta]
    """Returns the lifetime of a code by e-mail; other channels may shorten it."""
    error: type[InvalidCode] = InvalidCode
    """Raised if a code or link does not work."""
    short_template: str = ""
    """Of an SMS or other short message."""
    digits_of: Callable[[Settings], int] = lambda _: CODE_DIGITS
    """Returns the length of a code by e-mail."""
    page: str = ""
    """The page that the link in an e-mail opens; without one, there is no link."""
    shows_code: bool = False
    """Whether that page shows the code, for another browser."""
    replaces_older: bool = False
    """Whether a new code voids the user's older ones."""

    @property
    def digits(self) -> int:
        """The length of a code by e-mail, by the settings of the running application."""
        return self.digits_of(config.settings())

    @property
    def lifetime(self) -> timedelta:
        """The lifetime of a code by e-mail, by the settings of the running application."""
        return self.lifetime_of(config.settings())
