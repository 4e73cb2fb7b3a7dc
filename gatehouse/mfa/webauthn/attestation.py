"""What an authenticator proves about itself: nothing by default, else that it is an allowed one."""

from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from webauthn.helpers.structs import AttestationFormat

import config
from gatehouse.mfa.webauthn.errors import AuthenticatorNotAllowed, PasskeyRefused

MODEL = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
"""id-fido-gen-ce-aaguid, the extension that names the model."""
OCTETS = b"\x04\x10"
"""DER: an OCTET STRING of 16 bytes."""
UNIT = "Authenticator Attestation"


def roots() -> dict[AttestationFormat, list[bytes]]:
    """Return the authorities of the operator, in PEM, by the format whose chains they end."""
    trusted = config.settings().passkey_roots.encode()
    found = x509.load_pem_x509_certificates(trusted) if trusted else []
    return {AttestationFormat.PACKED: [one.public_bytes(Encoding.PEM) for one in found]}


def require_known_form(attested: dict[str, Any]) -> None:
    """Return if the attestation is of a form that we verify: none, or packed.

    Raises:
        PasskeyRefused: it is another; browsers send none unless they are asked for more.
    """
    form, statement = attested["fmt"], attested["attStmt"]
    if form not in (AttestationFormat.NONE, AttestationFormat.PACKED):
        raise PasskeyRefused(why="attestation of another form")
    if form == AttestationFormat.NONE and statement != {}:  # WebAuthn section 8.7
        raise PasskeyRefused(why="attestation that is none, and yet says something")


def require_allowed(attested: dict[str, Any], aaguid: str) -> None:
    """Return if the operator allows the authenticator, whose chain was verified before.

    Raises:
        AuthenticatorNotAllowed: it proves nothing about itself, or that it is another model.
    """
    settings = config.settings()
    if not settings.passkey_roots:
        return
    chain = attested["attStmt"].get("x5c")
    if not chain:  # none, or signed with the new key itself
        raise AuthenticatorNotAllowed
    named = _require_certificate(x509.load_der_x509_certificate(chain[0]))
    if named not in (aaguid, None):
        raise AuthenticatorNotAllowed
    if settings.passkey_models and named not in settings.passkey_models:
        raise AuthenticatorNotAllowed


def _require_certificate(leaf: x509.Certificate) -> str | None:
    """Return the model that a certificate is for, if it names one (WebAuthn section 8.2.1)."""
    units = leaf.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    basic = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    if leaf.version != x509.Version.v3 or basic.ca or [unit.value for unit in units] != [UNIT]:
        raise AuthenticatorNotAllowed
    return _model(leaf)


def _model(leaf: x509.Certificate) -> str | None:
    """Read the extension: an OCTET STRING of 16 bytes."""
    try:
        found = leaf.extensions.get_extension_for_oid(MODEL).value.public_bytes()
    except x509.ExtensionNotFound:
        return None
    if len(found) != 18 or not found.startswith(OCTETS):
        raise AuthenticatorNotAllowed
    return str(UUID(bytes=found[2:]))
