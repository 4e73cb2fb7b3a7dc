"""What a browser is asked: to make a passkey, or to sign with one (WebAuthn sections 5.4, 5.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import webauthn
from webauthn.helpers import options_to_json_dict
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

import config
from gatehouse.mfa.webauthn.cbor_checks import from_base64url
from gatehouse.mfa.webauthn.passkey import Passkey
from gatehouse.mfa.webauthn.relying_party import ourselves

LIFETIME = timedelta(minutes=5)
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
"""ES256, Ed25519, and RS256 for older Windows."""


@dataclass(frozen=True)
class Owner:
    """For whom a passkey is made: a handle that says nothing about them, and what they read."""

    handle: str
    name: str
    display_name: str


def creation(challenge: str, owner: Owner, mine: Sequence[Passkey], alone: bool) -> dict[str, Any]:
    """Return the options of `navigator.credentials.create()`, as JSON.

    `alone` asks for a passkey that signs in without anything else: it is found without a name, and
    verifies who holds it.
    """
    party = ourselves()
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=from_base64url(owner.handle),
        user_name=owner.name,
        user_display_name=owner.display_name,
        challenge=from_base64url(challenge),
        timeout=int(LIFETIME.total_seconds() * 1000),
        attestation=_attestation(),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=(
                ResidentKeyRequirement.REQUIRED if alone else ResidentKeyRequirement.PREFERRED
            ),
            user_verification=verification(alone),
        ),
        exclude_credentials=[passkey.descriptor for passkey in mine],
        supported_pub_key_algs=ALGORITHMS,
    )
    return options_to_json_dict(options)


def request(challenge: str, mine: Sequence[Passkey], alone: bool) -> dict[str, Any]:
    """Return the options of `navigator.credentials.get()`, as JSON.

    Without passkeys the browser offers what it has: the answer is the same for everybody.
    """
    options = webauthn.generate_authentication_options(
        rp_id=ourselves().id,
        challenge=from_base64url(challenge),
        timeout=int(LIFETIME.total_seconds() * 1000),
        allow_credentials=[passkey.descriptor for passkey in mine],
        user_verification=verification(alone),
    )
    return options_to_json_dict(options)


def verification(alone: bool) -> UserVerificationRequirement:
    """Return what is asked of an authenticator; whether it complied is judged by its flags."""
    wanted = UserVerificationRequirement
    return wanted.REQUIRED if alone else wanted.PREFERRED


def _attestation() -> AttestationConveyancePreference:
    """Return whether the authenticator shall prove what it is."""
    wanted = AttestationConveyancePreference
    return wanted.DIRECT if config.settings().passkey_roots else wanted.NONE
