"""Authentication assurance levels (AAL): the rules for `amr`, `acr` and their time limits.

NIST SP 800-63B-4 section 2.2: AAL2 needs a knowledge and a possession factor. A mailbox is neither
(section 3.1.3.1).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import config
from gatehouse.authorization.permissions import DEFAULT_ROLE
from gatehouse.tokens.worker_state import LEEWAY

AAL1, AAL2 = "aal1", "aal2"
MFA = "mfa"
PASSWORD = "pwd"  # noqa: S105 - a value of RFC 8176
KNOWLEDGE_FACTORS = {PASSWORD}
POSSESSION_FACTORS = {"otp", "sms", "hwk", "swk", "recovery"}
"""Values of RFC 8176 section 2, and `recovery`: a look-up secret of NIST section 3.1.2."""
AAL2_LIFETIME = timedelta(hours=24)  # section 2.2.3
AAL2_IDLE_TIMEOUT = timedelta(hours=1)
MAX_SKEW = timedelta(seconds=LEEWAY)
"""By how much a second factor may be in the future, by the clock of another replica."""


def merge_amr(*methods: Iterable[str], password_channel: str | None = None) -> list[str]:
    """Return the combined `amr`: each value once, and `mfa` for two factors.

    A method that is two factors by itself, such as a passkey with user verification, brings `mfa`.
    A password that was set with a message and not confirmed since is no knowledge factor: it
    verifies access to its channel only (`password_channel`; see `models.Password.set_via`).
    """
    words = list(dict.fromkeys(word for words in methods for word in words))
    known = set() if password_channel else KNOWLEDGE_FACTORS.intersection(words)
    both = known and POSSESSION_FACTORS.intersection(words)
    rest = [word for word in words if word != MFA]
    return [*rest, MFA] if both or MFA in words else rest


def acr(amr: Sequence[str]) -> str:
    """Return the assurance level of these methods."""
    return AAL2 if MFA in amr else AAL1


def keeps_aal2(amr: Iterable[str]) -> bool:
    """Return whether these methods renew AAL2; a password or e-mail code alone does not."""
    return not (POSSESSION_FACTORS | {MFA}).isdisjoint(amr)


def without_second_factor(amr: Sequence[str]) -> list[str]:
    """Return the `amr` that a session keeps when it is downgraded to AAL1."""
    return without_possession(amr) or [word for word in amr if word != MFA]


def without_possession(amr: Sequence[str]) -> list[str]:
    """Return the methods that are neither a possession factor nor two factors by themselves."""
    return [word for word in amr if word not in POSSESSION_FACTORS | {MFA}]


def is_recent_enough(
    aal2_authenticated_at: datetime, last_seen_at: datetime, now: datetime
) -> bool:
    """Return whether a session is within the absolute and idle limits of AAL2.

    A second factor in the future is not: the clock was set back since, and its age is unknown.
    """
    is_known = aal2_authenticated_at <= now + MAX_SKEW
    expires_at = min(aal2_authenticated_at + AAL2_LIFETIME, last_seen_at + AAL2_IDLE_TIMEOUT)
    return is_known and now < expires_at


def is_mfa_required(roles: Iterable[str]) -> bool:
    """Return whether the policy requires a second factor of users with these roles."""
    return not mfa_roles().isdisjoint(roles)


def mfa_roles() -> set[str]:
    """Return the roles that require a second factor; all users have the role `user`."""
    settings = config.settings()
    if settings.mfa == "required_for_roles":
        return set(settings.mfa_roles)
    return {DEFAULT_ROLE} if settings.mfa == "required" else set()
