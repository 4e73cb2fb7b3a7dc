"""A passkey as it is stored, and as a descriptor for browsers."""

from dataclasses import asdict, dataclass

from webauthn.helpers.structs import AuthenticatorTransport, PublicKeyCredentialDescriptor

from gatehouse.mfa.webauthn.cbor_checks import from_base64url

TRANSPORTS = {transport.value for transport in AuthenticatorTransport}


@dataclass(frozen=True)
class Passkey:
    """The encrypted `data` of a credential row; bytes are base64url."""

    credential_id: str
    public_key: str
    """COSE (RFC 9052 section 7)."""
    user_handle: str
    backup_eligible: bool
    """Whether it can be synced to other devices; never changes (WebAuthn section 6.1.3)."""
    backed_up: bool
    aaguid: str
    """The authenticator's model, as it states itself."""
    transports: tuple[str, ...] = ()
    """How browsers reach it, such as `internal` or `usb`."""

    @property
    def amr(self) -> str:
        """Its `amr` value: `hwk` for a device-bound key, `swk` for a synced one (RFC 8176)."""
        return "swk" if self.backup_eligible else "hwk"

    @property
    def descriptor(self) -> PublicKeyCredentialDescriptor:
        """The descriptor that names it in options."""
        known = [AuthenticatorTransport(name) for name in self.transports if name in TRANSPORTS]
        return PublicKeyCredentialDescriptor(from_base64url(self.credential_id), transports=known)

    def to_json(self) -> dict[str, object]:
        """Return the members as JSON values."""
        return asdict(self)


def from_json(data: dict[str, object]) -> Passkey:
    """Return the passkey that `to_json` wrote."""
    transports = data["transports"]
    assert isinstance(transports, list | tuple)  # noqa: S101
    return Passkey(**{**data, "transports": tuple(transports)})  # type: ignore[arg-type]
