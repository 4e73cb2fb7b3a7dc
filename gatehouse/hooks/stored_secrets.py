"""The signing secrets of a hook, encrypted in its row: the current one, and its predecessor."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from gatehouse.core import clock, crypto, crypto_labels
from gatehouse.core.crypto import DecryptionFailed
from gatehouse.hooks import signing


@dataclass(frozen=True)
class HookSecrets:
    """The current secret, and the previous one until the end of its overlap."""

    current: str
    previous: str | None = None
    previous_until: datetime | None = None

    @property
    def active(self) -> tuple[str, ...]:
        """The secrets that messages are signed with now, the current one first."""
        if self.previous and self.previous_until and clock.now() < self.previous_until:
            return self.current, self.previous
        return (self.current,)


def create() -> HookSecrets:
    """Return the secrets of a new hook."""
    return HookSecrets(signing.create_secret())


def rotate(secrets: HookSecrets | None, overlap: timedelta) -> HookSecrets:
    """Return a new secret, beside which the current one, if any, stays in use for the overlap."""
    if secrets is None:
        return create()
    return HookSecrets(signing.create_secret(), secrets.current, clock.now() + overlap)


def encrypt(secrets: HookSecrets, hook_id: UUID) -> bytes:
    """Return what is stored in the row of a hook."""
    until = secrets.previous_until
    members = {
        "current": secrets.current,
        "previous": secrets.previous,
        "previous_until": until.isoformat() if until else None,
    }
    return crypto.encrypt(json.dumps(members).encode(), _associated_data(hook_id))


def decrypt(stored: bytes, hook_id: UUID) -> HookSecrets:
    """Return the secrets from the row of a hook.

    Raises:
        DecryptionFailed: the value was changed or moved, or its key is not configured.
    """
    members = json.loads(crypto.decrypt(stored, _associated_data(hook_id)))
    until = members["previous_until"]
    return HookSecrets(
        members["current"], members["previous"], datetime.fromisoformat(until) if until else None
    )


def decrypt_or_none(stored: bytes, hook_id: UUID) -> HookSecrets | None:
    """Return the secrets from the row of a hook; None if they cannot be decrypted.

    An operator can then still see the hook, give it a new secret, disable or delete it.
    """
    try:
        return decrypt(stored, hook_id)
    except DecryptionFailed:
        return None


def _associated_data(hook_id: UUID) -> str:
    return crypto_labels.column_data(crypto_labels.HOOK_SECRETS, hook_id)
