"""The first step of a login, and the second factors that may complete it."""

from dataclasses import asdict, dataclass, fields
from typing import Any
from uuid import UUID

import config
from gatehouse.core import clock
from gatehouse.mfa import credential_store, registry
from gatehouse.mfa.registry import EMAIL
from gatehouse.passwords import service as passwords
from gatehouse.sessions import assurance
from gatehouse.sessions.continuation import Continuation
from gatehouse.users import service as users
from models import Credential

AFTER_MESSAGE = "Send a recovery code, or sign in with your password instead."
AFTER_RESET = (
    "Your password was reset by text message, so a text message cannot be the second factor. Send a"
    " recovery code. If you have none, reset your password by e-mail instead, or ask for the"
    " removal of your second factors with POST /auth/mfa/recovery: it happens 72 hours later."
)
STORED_NAMES = {
    "replaced_session_id": "replaced",
    "password_set_at": "password",
    "email_factor_id": "mailed",
}
"""JSON keys of stored logins, where they differ from the field's name.

They never change, so that an upgrade, or two versions side by side, keeps pending logins working.
"""


@dataclass(frozen=True)
class FirstFactorResult:
    """Result of the first step of a login, stored while the second is pending; JSON values."""

    user_id: str
    amr: list[str]
    transport: str
    replaced_session_id: str | None = None
    """The browser's previous session; ended when this login completes."""
    password_set_at: str | None = None
    """When the verified password was set; the login is void once the password changes."""
    email_factor_id: str | None = None
    """Factor id of the e-mail OTP that is offered to a user who has enrolled no factor."""
    continuation: Continuation | None = None
    """What the client continues with once the user is signed in."""

    def to_json(self) -> dict[str, object]:
        """Return the result as it is stored (see `STORED_NAMES`)."""
        stored = {STORED_NAMES.get(name, name): value for name, value in asdict(self).items()}
        return {k: v for k, v in stored.items() if k != "continuation" or v}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "FirstFactorResult":
        """Return the result that `to_json`, or an older version, wrote."""
        names = {STORED_NAMES.get(field.name, field.name): field.name for field in fields(cls)}
        members = {names[key]: value for key, value in data.items()}
        if stored := members.get("continuation"):
            members["continuation"] = Continuation(**stored)
        return cls(**members)


def eligible_factors(first_factor: FirstFactorResult) -> list[Credential]:
    """Return the user's factors that can complete a login, in the order of the settings.

    Factors that use the channel of the first step are left out (see `_is_independent`). If the
    policy requires a second factor and the user has a strong one, weak ones are left out, too. If
    the login was started with an e-mail OTP and the user still has no second factor, an unsaved
    credential stands in for it.
    """
    user_id, order = UUID(first_factor.user_id), list(registry.enabled_factors())
    confirmed = credential_store.list_confirmed(user_id)
    if first_factor.email_factor_id and not any(
        registry.is_second_factor(row.kind) for row in confirmed
    ):
        factor_id, now = UUID(first_factor.email_factor_id), clock.now()
        return [
            Credential(id=factor_id, user_id=user_id, kind=EMAIL, label=EMAIL, confirmed_at=now)
        ]
    rows = [row for row in confirmed if _is_independent(row.kind, first_factor)]
    if any(registry.is_strong(row.kind) for row in rows) and _is_mfa_required(user_id):
        rows = [row for row in rows if registry.get_factor(row.kind).strong]
    return sorted(rows, key=lambda row: order.index(row.kind))


def eligible_kinds(first_factor: FirstFactorResult) -> list[str]:
    """Return the strong kinds that are independent of the first factor.

    Those that need a phone are left out without a verified number, because numbers are not verified
    during a login.
    """
    user = users.get_user(UUID(first_factor.user_id))
    has_number = user is not None and user.phone_verified_at is not None
    kinds = [kind for kind in registry.strong_kinds() if _is_independent(kind, first_factor)]
    return [kind for kind in kinds if has_number or not registry.get_factor(kind).needs_phone]


def ways_out(first_factor: FirstFactorResult) -> str:
    """Return what a user can do whose second factors all use the channel of the first step."""
    return AFTER_RESET if assurance.PASSWORD in first_factor.amr else AFTER_MESSAGE


def _is_mfa_required(user_id: UUID) -> bool:
    """Return whether the policy requires a second factor of a user."""
    if config.settings().mfa == "optional":
        return False
    return assurance.is_mfa_required(users.get_profile(user_id)["roles"])


def _password_channel(first_factor: FirstFactorResult) -> str | None:
    """Return the channel of a message that set the password of the first step, if it did."""
    if assurance.PASSWORD not in first_factor.amr:
        return None
    return passwords.get_unconfirmed_channel(UUID(first_factor.user_id))


def _is_independent(kind: str, first_factor: FirstFactorResult) -> bool:
    """Return whether a kind is enabled and uses no channel of the first step.

    A password that was set with a message used the channel of that message, too. A weak kind is
    offered nevertheless: it gives no AAL2, and for many users it is the only one.
    """
    if not registry.is_independent(kind, first_factor.amr):
        return False
    factor = registry.get_factor(kind)
    if not factor.strong or passwords.MESSAGE_CHANNELS.isdisjoint(factor.amr):
        return True
    return _password_channel(first_factor) not in factor.amr
