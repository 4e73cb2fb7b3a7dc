"""Judges what a passkey answered: WebAuthn sections 7.1 (creation) and 7.2 (signature).

The library verifies; what it lets pass is refused here, before it or after.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

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

from gatehouse.core.errors import Refusal
from gatehouse.mfa.webauthn import attestation
from gatehouse.mfa.webauthn.cbor_checks import (
    ClientData,
    from_base64url,
    read_client_data,
    require_attestation_object,
    require_authenticator_data,
    to_base64url,
)
from gatehouse.mfa.webauthn.errors import MalformedCredential, PasskeyCopied, PasskeyRefused
from gatehouse.mfa.webauthn.forms import Answer
from gatehouse.mfa.webauthn.options import ALGORITHMS
from gatehouse.mfa.webauthn.passkey import TRANSPORTS, Passkey
from gatehouse.mfa.webauthn.relying_party import ourselves

RSA_BITS = range(2048, 4097)


@dataclass(frozen=True)
class Asked:
    """What a ceremony was begun with."""

    challenge: str
    alone: bool
    """Whether the passkey has to verify who holds it, because nothing else does."""


@dataclass(frozen=True)
class Made:
    """A new passkey."""

    passkey: Passkey
    counter: int
    verified: bool
    """Whether the authenticator verified who holds it."""


@dataclass(frozen=True)
class Signed:
    """A signature of a passkey that we know."""

    counter: int
    backed_up: bool
    verified: bool


def require_made(answer: Answer, asked: Asked, user_handle: str) -> Made:
    """Return the passkey that a browser made when it was asked.

    Raises:
        MalformedCredential, PasskeyRefused: it breaks a rule of section 7.1.
        AuthenticatorNotAllowed: it is not one that the operator allows.
    """
    attested = _attested(answer)
    require_our_page(client_data(answer))
    attestation.require_known_form(attested)
    with refusing():
        found = _verify_creation(answer, asked)
        _require_sound_key(found.credential_public_key)
        attestation.require_allowed(attested, found.aaguid)
    if to_base64url(found.credential_id) != answer["id"]:
        raise PasskeyRefused(why="another credential id than the authenticator's")
    return Made(_passkey(answer, found, user_handle), found.sign_count, found.user_verified)


def require_signed(answer: Answer, asked: Asked, passkey: Passkey, counter: int) -> Signed:
    """Return what a known passkey says of itself in a signature that verifies.

    Raises:
        MalformedCredential, PasskeyRefused: it breaks a rule of section 7.2.
        PasskeyCopied: it counts, and has not counted on.
    """
    response = answer["response"]
    require_authenticator_data(from_base64url(_member(answer, "authenticatorData")))
    from_base64url(_member(answer, "signature"))
    require_our_page(client_data(answer))
    if answer["id"] != passkey.credential_id:
        raise PasskeyRefused(why="another passkey")
    if response.get("userHandle") not in (None, "", passkey.user_handle):
        raise PasskeyRefused(why="user handle of somebody else")
    with refusing():
        found = _verify_signature(answer, asked, passkey)
    if _can_be_backed_up(found) != passkey.backup_eligible:  # section 7.2 step 19
        raise PasskeyRefused(why="backup eligibility changed")
    require_counted_on(found.new_sign_count, counter)
    return Signed(found.new_sign_count, found.credential_backed_up, found.user_verified)


def require_counted_on(told: int, known: int) -> None:
    """Return if a counter went on; authenticators that do not count always say 0.

    Raises:
        PasskeyCopied: it did not (section 7.2 step 22).
    """
    if (told or known) and told <= known:
        raise PasskeyCopied(why="counter", told=told, known=known)


def require_our_page(told: ClientData) -> None:
    """Return if the page that asked stood in no frame, or in one of a site that may hold it.

    Raises:
        PasskeyRefused: it stood in another (sections 7.1 steps 10 and 11, 7.2 steps 13 and 14).
    """
    if not told.crossed and not told.top_origin:
        return
    if not told.crossed or told.top_origin not in ourselves().top_origins:
        raise PasskeyRefused(why="page in a frame of another site")


@contextmanager
def refusing() -> Iterator[None]:
    """Refuse what the library does not verify: on hostile bytes it raises whatever comes up."""
    try:
        yield
    except Refusal:
        raise
    except Exception as problem:
        raise PasskeyRefused(why=str(problem)[:200]) from None


def client_data(answer: Answer) -> ClientData:
    """Return what the browser says about the page that asked.

    Raises:
        MalformedCredential: it says nothing that can be read.
    """
    return read_client_data(from_base64url(_member(answer, "clientDataJSON")))


def _member(answer: Answer, name: str) -> str:
    if name not in answer["response"]:
        raise MalformedCredential(f"The credential lacks {name}.")
    return str(answer["response"][name])


def _attested(answer: Answer) -> dict[str, Any]:
    """Return the members of the attestation object, each of its type (section 6.5)."""
    encoded = from_base64url(_member(answer, "attestationObject"))
    require_attestation_object(encoded)
    with refusing():
        attested: dict[str, Any] = parse_cbor(encoded)
    typed = isinstance(attested.get("fmt"), str) and isinstance(attested.get("attStmt"), dict)
    if not typed:
        raise MalformedCredential("The attestation object lacks its form or its statement.")
    require_authenticator_data(attested.get("authData"))
    return attested


def _verify_creation(answer: Answer, asked: Asked) -> VerifiedRegistration:
    party = ourselves()
    return webauthn.verify_registration_response(
        credential=answer,
        expected_challenge=from_base64url(asked.challenge),
        expected_rp_id=party.id,
        expected_origin=list(party.origins),
        require_user_verification=asked.alone,
        supported_pub_key_algs=ALGORITHMS,
        pem_root_certs_bytes_by_fmt=attestation.roots(),
    )


def _verify_signature(answer: Answer, asked: Asked, passkey: Passkey) -> VerifiedAuthentication:
    """Verify all but the counter, which means something only where the signature is right."""
    party = ourselves()
    return webauthn.verify_authentication_response(
        credential=answer,
        expected_challenge=from_base64url(asked.challenge),
        expected_rp_id=party.id,
        expected_origin=list(party.origins),
        credential_public_key=from_base64url(passkey.public_key),
        credential_current_sign_count=0,
        require_user_verification=asked.alone,
    )


def _require_sound_key(encoded: bytes) -> None:
    """Return if a key is of the kind that its algorithm wants, and of a sane size."""
    decoded = decode_credential_public_key(encoded)
    key = decoded_public_key_to_cryptography(decoded)
    sound = {
        COSEAlgorithmIdentifier.ECDSA_SHA_256: _is_p256(key),
        COSEAlgorithmIdentifier.EDDSA: isinstance(key, ed25519.Ed25519PublicKey),
        COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256: _is_sane_rsa(key),
    }
    if not sound[decoded.alg]:
        raise PasskeyRefused(why="key of another kind than its algorithm")


def _is_p256(key: object) -> bool:
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def _is_sane_rsa(key: object) -> bool:
    return isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_BITS


def _can_be_backed_up(found: VerifiedRegistration | VerifiedAuthentication) -> bool:
    return found.credential_device_type == CredentialDeviceType.MULTI_DEVICE


def _passkey(answer: Answer, found: VerifiedRegistration, user_handle: str) -> Passkey:
    told = answer["response"].get("transports", ())
    return Passkey(
        credential_id=answer["id"],
        public_key=to_base64url(found.credential_public_key),
        user_handle=user_handle,
        backup_eligible=_can_be_backed_up(found),
        backed_up=found.credential_backed_up,
        aaguid=found.aaguid,
        transports=tuple(name for name in told if name in TRANSPORTS),
    )
