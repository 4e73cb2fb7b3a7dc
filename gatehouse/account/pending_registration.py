"""A pending registration: a one-time code whose data has all that the account will need.

Its link shows who registered, and from which device, before it is confirmed.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from gatehouse.core import crypto_labels
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.one_time_codes.code_type import CodeType
from gatehouse.one_time_codes.stored_data import StoredData, stored_as
from gatehouse.passwords.service import PasswordHash
from gatehouse.users.errors import EmailVerificationFailed
from gatehouse.users.forms import PROFILE_FIELDS

REGISTRATION_CODE = CodeType(
    crypto_labels.REGISTRATION,
    template="verify_email",
    lifetime_of=lambda settings: settings.verification_lifetime,
    error=EmailVerificationFailed,
    page="verify-email",
)
PASSKEY_REGISTRATION_CODE = replace(REGISTRATION_CODE, page="sign-up-code", shows_code=True)
"""Its link has no password to ask for: it shows the code, to enter where the token is."""


@dataclass(frozen=True, kw_only=True)
class RegistrationData(StoredData):
    """What is stored until the e-mail address is verified: the profile, and the credential.

    The credential is a password hash, or a passkey and the digest of its registration token.
    """

    email: str
    ip_address: str = stored_as("address", "")
    device: str = ""
    profile: dict[str, str] = field(default_factory=dict)
    """Stored as members of their own."""
    attributes: dict[str, object] = field(default_factory=dict)
    stored_hash: str | None = stored_as("hash", None)
    pepper: str | None = None
    passkey: dict[str, object] | None = None
    registration_token_digest: str | None = stored_as("holder", None)
    """Of a sign-up with a passkey; before migration 0011 it was compared with the token."""
    code: str | None = field(default=None, repr=False)
    """Of a sign-up with a passkey, for the page of its link."""

    @property
    def password_hash(self) -> PasswordHash | None:
        """The hash of the chosen password."""
        return PasswordHash(self.stored_hash, self.pepper or "") if self.stored_hash else None

    @property
    def recipient(self) -> Recipient:
        """The e-mail address as a recipient."""
        return Recipient("email", self.email, self.email.lower(), self.profile.get("locale"))

    def to_json(self) -> dict[str, object]:
        """Return the data as it is stored."""
        data = super().to_json()
        profile: dict[str, object] = data.pop("profile")
        return data | profile

    @classmethod
    def from_json(cls, data: dict[str, object]) -> Self:
        """Return what `to_json` wrote."""
        profile = {name: data[name] for name in PROFILE_FIELDS if name in data}
        return super().from_json(data | {"profile": profile})


@dataclass(frozen=True)
class PendingRegistration:
    """A pending registration, as the page of its link shows it."""

    requested_at: datetime
    ip_address: str
    device: str


def find_pending(code_id: UUID) -> PendingRegistration | None:
    """Return the pending registration of a link, if the link still works."""
    row = one_time_codes.find_by_id(REGISTRATION_CODE.purpose, code_id)
    if row is None:
        return None
    data = one_time_codes.load_data(row, RegistrationData)
    return PendingRegistration(row.created_at, data.ip_address, data.device)
