"""Verification of registrations and assertions: WebAuthn sections 7.1 and 7.2.

The library does most of it; the checks it lacks are made here, before and after.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import webauthn
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_cbor,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import CredentialDeviceType
from webauthn.registration.verify_registration_response import VerifiedRegistration

import config
from gatehouse.core.errors import ApiError
from gatehouse.core.log import logger
from gatehouse.mfa.webauthn import attestation
from gatehouse.mfa.webauthn.cbor_checks import (
    ClientData,
    from_base64url,
    read_client_data,
    require_attestation_object,
    require_authenticator_data,
    to_base64url,
)
from gatehouse.mfa.webauthn.errors import (
    MalformedCredential,
    PasskeyCloned,
    PasskeyOutdated,
    PasskeyRejected,
)
from gatehouse.mfa.webauthn.forms import CredentialJson
from gatehouse.mfa.webauthn.options import ALGORITHMS
from gatehouse.mfa.webauthn.passkey import TRANSPORTS, Passkey
from gatehouse.mfa.webauthn.relying_party import relying_party

ORIGIN_WITHOUT_PASSKEYS = (
    "The origin of this page is in GATEHOUSE_ALLOWED_ORIGINS, but not in GATEHOUSE_PASSKEY_ORIGINS:"
    " add it there to use passkeys on it."
)
RSA_BITS = range(2048, 4097)


@dataclass(frozen=True)
class ExpectedResponse:
    """What a response must match."""

    challenge: str
    user_verification_required: bool
    """Whether the authenticator must verify the user: in passwordless login."""


@dataclass(frozen=True)
class VerifiedPasskey:
    """A verified registration: a new passkey."""

    passkey: Passkey
    counter: int
    user_verified: bool
    """Whether the authenticator verified the user, such as by a PIN or fingerprint."""


@dataclass(frozen=True)
class VerifiedAssertion:
    """A verified signature of a registered passkey."""

    counter: int
    backed_up: bool
    user_verified: bool


def verify_registration(
    credential: CredentialJson, expected: ExpectedResponse, user_handle: str
) -> VerifiedPasskey:
    """Verify a registration response and return the new passkey.

    Raises:
        MalformedCredential, PasskeyRejected: it breaks a rule of section 7.1.
        AuthenticatorNotAllowed: the operator does not allow this authenticator.
    """
    attestation_object = _parse_attestation(credential)
    data = extract_client_data(credential)
    require_trusted_frame(data)
    require_passkey_origin(data)
    attestation.require_supported_format(attestation_object)
    with reject_library_errors():
        verified = _verify_creation(credential, expected)
        _require_valid_key(verified.credential_public_key)
        attestation.require_allowed_authenticator(attestation_object, verified.aaguid)
    if to_base64url(verified.credential_id) != credential["id"]:
        raise PasskeyRejected(reason="credential id differs from the authenticator's")
    passkey = _build_passkey(credential, verified, user_handle)
    return VerifiedPasskey(passkey, verified.sign_count, verified.user_verified)


def verify_assertion(
    credential: CredentialJson, expected: ExpectedResponse, passkey: Passkey, counter: int
) -> VerifiedAssertion:
    """Verify an assertion of a registered passkey, whose stored counter is `counter`.

    Raises:
        MalformedCredential, PasskeyRejected: it breaks a rule of section 7.2.
        PasskeyOutdated: whether the passkey can be backed up has changed.
        PasskeyCloned: the counter did not increase.
    """
    response = credential["response"]
    require_authenticator_data(from_base64url(_require_field(credential, "authenticatorData")))
    from_base64url(_require_field(credential, "signature"))
    data = extract_client_data(credential)
    require_trusted_frame(data)
    require_passkey_origin(data)
    if credential["id"] != passkey.credential_id:
        raise PasskeyRejected(reason="another passkey")
    if response.get("userHandle") not in (None, "", passkey.user_handle):
        raise PasskeyRejected(reason="user handle of another user")
    with reject_library_errors():
        verified = _verify_signature(credential, expected, passkey)
    if _is_backup_eligible(verified) != passkey.backup_eligible:  # section 7.2 step 19
        raise PasskeyOutdated(reason="backup eligibility changed")
    require_counter_increased(verified.new_sign_count, counter)
    return VerifiedAssertion(
        verified.new_sign_count, verified.credential_backed_up, verified.user_verified
    )


def require_counter_increased(received: int, stored: int) -> None:
    """Check that a signature counter increased; authenticators without one always send 0.

    Raises:
        PasskeyCloned: it did not (section 7.2 step 22).
    """
    if (received or stored) and received <= stored:
        raise PasskeyCloned(reason="counter", sign_count=received, stored_sign_count=stored)


def require_trusted_frame(data: ClientData) -> None:
    """Check that the calling page was in no cross-origin frame, or in one of an allowed origin.

    Raises:
        PasskeyRejected: it was in another one (sections 7.1 steps 10 and 11, 7.2 steps 13 and 14).
    """
    if not data.cross_origin and not data.top_origin:
        return
    if not data.cross_origin or data.top_origin not in relying_party().top_origins:
        raise PasskeyRejected(reason="page in a frame of another origin")


def require_passkey_origin(data: ClientData) -> None:
    """Name the setting that lacks an origin of the operator's own front end.

    Any other wrong origin is rejected without advice, by the library.

    Raises:
        PasskeyRejected: the origin is allowed, but not for passkeys (section 7.2 step 13).
    """
    settings = config.settings()
    if data.origin not in settings.allowed_origins or data.origin in relying_party().origins:
        return
    logger().warning(ORIGIN_WITHOUT_PASSKEYS, origin=data.origin)
    detail = f"{ORIGIN_WITHOUT_PASSKEYS} It is {data.origin}." if settings.development else None
    raise PasskeyRejected(detail, reason="origin is not in GATEHOUSE_PASSKEY_ORIGINS")


@contextmanager
def reject_library_errors() -> Iterator[None]:
    """Raise `PasskeyRejected` for any exception of the library, which may be any type."""
    try:
        yield
    except ApiError:
        raise
    except Exception as error:
        raise PasskeyRejected(reason=str(error)[:200]) from None


def extract_client_data(credential: CredentialJson) -> ClientData:
    """Return the client data of a credential.

    Raises:
        MalformedCredential: it is missing or malformed.
    """
    return read_client_data(from_base64url(_require_field(credential, "clientDataJSON")))


def _require_field(credential: CredentialJson, name: str) -> str:
    if name not in credential["response"]:
        raise MalformedCredential(f"The credential lacks {name}.")
    return str(credential["response"][name])


def _parse_attestation(credential: CredentialJson) -> dict[str, object]:
    """Return the attestation object, with its members and their types checked (section 6.5)."""
    encoded = from_base64url(_require_field(credential, "attestationObject"))
    require_attestation_object(encoded)
    with reject_library_errors():
        parsed: dict[str, object] = parse_cbor(encoded)
    if not (isinstance(parsed.get("fmt"), str) and isinstance(parsed.get("attStmt"), dict)):
        raise MalformedCredential("The attestation object lacks its format or its statement.")
    require_authenticator_data(parsed.get("authData"))
    return parsed


def _verify_creation(
    credential: CredentialJson, expected: ExpectedResponse
) -> VerifiedRegistration:
    party = relying_party()
    return webauthn.verify_registration_response(
        credential=credential,
        expected_challenge=from_base64url(expected.challenge),
        expected_rp_id=party.id,
        expected_origin=list(party.origins),
        require_user_verification=expected.user_verification_required,
        supported_pub_key_algs=ALGORITHMS,
        pem_root_certs_bytes_by_fmt=attestation.trusted_roots(),
    )


def _verify_signature(
    credential: CredentialJson, expected: ExpectedResponse, passkey: Passkey
) -> VerifiedAuthentication:
    """Verify all but the counter, which is meaningful only once the signature is verified."""
    party = relying_party()
    return webauthn.verify_authentication_response(
        credential=credential,
        expected_challenge=from_base64url(expected.challenge),
        expected_rp_id=party.id,
        expected_origin=list(party.origins),
        credential_public_key=from_base64url(passkey.public_key),
        credential_current_sign_count=0,
        require_user_verification=expected.user_verification_required,
    )


def _require_valid_key(encoded: bytes) -> None:
    """Check that a COSE key's type and size fit its algorithm."""
    decoded = decode_credential_public_key(encoded)
    key = decoded_public_key_to_cryptography(decoded)
    valid = {
        COSEAlgorithmIdentifier.ECDSA_SHA_256: _is_p256(key),
        COSEAlgorithmIdentifier.EDDSA: isinstance(key, ed25519.Ed25519PublicKey),
        COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256: _is_accepted_rsa(key),
    }
    if not valid[decoded.alg]:
        raise PasskeyRejected(reason="key does not fit its algorithm")


def _is_p256(key: object) -> bool:
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def _is_accepted_rsa(key: object) -> bool:
    return isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_BITS


def _is_backup_eligible(verified: VerifiedRegistration | VerifiedAuthentication) -> bool:
    return verified.credential_device_type == CredentialDeviceType.MULTI_DEVICE


def _build_passkey(
    credential: CredentialJson, verified: VerifiedRegistration, user_handle: str
) -> Passkey:
    transports = credential["response"].get("transports", ())
    return Passkey(
        credential_id=credential["id"],
        public_key=to_base64url(verified.credential_public_key),
        user_handle=user_handle,
        backup_eligible=_is_backup_eligible(verified),
        backed_up=verified.credential_backed_up,
        aaguid=verified.aaguid,
        transports=tuple(name for name in transports if name in TRANSPORTS),
    )
