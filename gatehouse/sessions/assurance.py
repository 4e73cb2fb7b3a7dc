"""How sure a session is of who is in it: `amr`, `acr` and their limits, computed here alone.

NIST SP 800-63B-4 section 2.2: AAL2 is something known and something held. A mailbox is neither; a
remote one may have no factor of its own (section 3.1.3.1).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import config
from gatehouse.authorization.roles import EVERYONE

AAL1, AAL2 = "aal1", "aal2"
MFA = "mfa"
KNOWN = {"pwd"}
HELD = {"otp", "sms", "hwk", "swk", "recovery"}
"""Words of RFC 8176 section 2, and `recovery`: a look-up secret of section 3.1.2."""
LONGEST = timedelta(hours=24)  # section 2.2.3
IDLE = timedelta(hours=1)


def combine(*proved: Iterable[str]) -> list[str]:
    """Return the `amr` of everything that was proved, each word once, and `mfa` if it is two.

    A proof that is two by itself, such as a passkey that verified its user, says so.
    """
    words = list(dict.fromkeys(word for words in proved for word in words))
    together = KNOWN.intersection(words) and HELD.intersection(words)
    rest = [word for word in words if word != MFA]
    return [*rest, MFA] if together or MFA in words else rest


def acr(amr: Sequence[str]) -> str:
    """Return the level."""
    return AAL2 if MFA in amr else AAL1


def raises(amr: Iterable[str]) -> bool:
    """Tell whether a proof keeps a session raised; the password and a mailbox do not."""
    return not (HELD | {MFA}).isdisjoint(amr)


def lowered(amr: Sequence[str]) -> list[str]:
    """Return the `amr` of a session that fell back: what it still is without its second factor."""
    first = [word for word in amr if word not in HELD | {MFA}]
    return first or [word for word in amr if word != MFA]


def ends(raised_at: datetime, last_seen_at: datetime) -> datetime:
    """Return when a raised session falls back, unless somebody is there meanwhile."""
    return min(raised_at + LONGEST, last_seen_at + IDLE)


def is_mfa_required(roles: Iterable[str]) -> bool:
    """Tell whether the policy wants a second factor of people with these roles."""
    return not mfa_roles().isdisjoint(roles)


def mfa_roles() -> set[str]:
    """Return the roles of whose people the policy wants a second factor; everyone has `user`."""
    settings = config.settings()
    if settings.mfa == "required_for_roles":
        return set(settings.mfa_roles)
    return {EVERYONE} if settings.mfa == "required" else set()
