"""Attestation policy: none required by default, else only authenticators that are allowed."""

from typing import Any
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from webauthn.helpers.structs import AttestationFormat

import config
from gatehouse.mfa.webauthn.errors import AuthenticatorNotAllowed, PasskeyRejected

AAGUID_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
"""id-fido-gen-ce-aaguid, the extension that holds the authenticator model's AAGUID."""
AAGUID_DER_PREFIX = b"\x04\x10"
"""DER: an OCTET STRING of 16 bytes."""
ATTESTATION_OU = "Authenticator Attestation"


def trusted_roots() -> dict[AttestationFormat, list[bytes]]:
    """Return the operator's trusted root certificates, in PEM, by attestation format."""
    pem = config.settings().passkey_attestation_roots.encode()
    roots = x509.load_pem_x509_certificates(pem) if pem else []
    return {AttestationFormat.PACKED: [root.public_bytes(Encoding.PEM) for root in roots]}


def require_supported_format(attestation_object: dict[str, object]) -> None:
    """Check that the attestation format is one that we verify: `none` or `packed`.

    Raises:
        PasskeyRejected: it is another one; browsers send `none` unless attestation is requested.
    """
    name, statement = attestation_object["fmt"], attestation_object["attStmt"]
    if name not in (AttestationFormat.NONE, AttestationFormat.PACKED):
        raise PasskeyRejected(reason="attestation format not supported")
    if name == AttestationFormat.NONE and statement != {}:  # WebAuthn section 8.7
        raise PasskeyRejected(reason="attestation format none with a statement")


def require_allowed_authenticator(attestation_object: dict[str, Any], aaguid: str) -> None:
    """Check that the operator allows the authenticator. The chain must be verified already.

    Raises:
        AuthenticatorNotAllowed: the attestation is missing, or its model is not allowed.
    """
    settings = config.settings()
    if not settings.passkey_attestation_roots:
        return
    chain = attestation_object["attStmt"].get("x5c")
    if not chain:  # none, or signed with the new key itself
        raise AuthenticatorNotAllowed
    certified = _verify_leaf_certificate(x509.load_der_x509_certificate(chain[0]))
    if certified not in (aaguid, None):
        raise AuthenticatorNotAllowed
    if settings.passkey_allowed_aaguids and certified not in settings.passkey_allowed_aaguids:
        raise AuthenticatorNotAllowed


def _verify_leaf_certificate(leaf: x509.Certificate) -> str | None:
    """Check an attestation certificate (WebAuthn section 8.2.1); return its AAGUID, if any."""
    units = leaf.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
    basic = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    if (
        leaf.version != x509.Version.v3
        or basic.ca
        or [unit.value for unit in units] != [ATTESTATION_OU]
    ):
        raise AuthenticatorNotAllowed
    return _certificate_aaguid(leaf)


def _certificate_aaguid(leaf: x509.Certificate) -> str | None:
    """Return the AAGUID of the certificate's extension, an OCTET STRING of 16 bytes."""
    try:
        encoded = leaf.extensions.get_extension_for_oid(AAGUID_EXTENSION).value.public_bytes()
    except x509.ExtensionNotFound:
        return None
    if len(encoded) != 18 or not encoded.startswith(AAGUID_DER_PREFIX):
        raise AuthenticatorNotAllowed
    return str(UUID(bytes=encoded[2:]))
