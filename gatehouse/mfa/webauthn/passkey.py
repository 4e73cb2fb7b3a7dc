"""A passkey as it is kept, and as browsers name it."""

from dataclasses import asdict, dataclass

from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

from gatehouse.mfa.webauthn.cbor_checks import from_base64url

TRANSPORTS = {transport.value for transport in AuthenticatorTransport}


@dataclass(frozen=True)
class Passkey:
    """What is sealed in a credential's `data`; bytes are base64url."""

    credential_id: str
    public_key: str
    """COSE (RFC 9052 section 7)."""
    user_handle: str
    backup_eligible: bool
    """Whether it can be copied to other devices; never changes (WebAuthn section 6.1.3)."""
    backed_up: bool
    aaguid: str
    """The model of the authenticator, as it says itself."""
    transports: tuple[str, ...] = ()
    """How browsers reach it, such as `internal` or `usb`."""

    @property
    def amr(self) -> str:
        """What it proves possession of: a key in hardware, or one that is copied (RFC 8176)."""
        return "swk" if self.backup_eligible else "hwk"

    @property
    def descriptor(self) -> PublicKeyCredentialDescriptor:
        """How options name it."""
        known = [AuthenticatorTransport(name) for name in self.transports if name in TRANSPORTS]
        return PublicKeyCredentialDescriptor(from_base64url(self.credential_id), transports=known)

    def written(self) -> dict[str, object]:
        """Return it as JSON."""
        return asdict(self)


def read(data: dict[str, object]) -> Passkey:
    """Return the passkey that was written."""
    transports = data["transports"]
    assert isinstance(transports, list | tuple)  # noqa: S101
    return Passkey(**{**data, "transports": tuple(transports)})  # type: ignore[arg-type]
