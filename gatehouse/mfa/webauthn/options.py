"""Options for creating a passkey and for requesting an assertion (WebAuthn sections 5.4, 5.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

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
from gatehouse.mfa.webauthn.relying_party import relying_party

LIFETIME = timedelta(minutes=5)
ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
"""ES256, Ed25519, and RS256 for older Windows."""


@dataclass(frozen=True)
class UserEntity:
    """The user of a new passkey: an opaque handle, and the names that authenticators display."""

    handle: str
    name: str
    display_name: str


def creation_options(
    challenge: str, user: UserEntity, passkeys: Sequence[Passkey], user_verification_required: bool
) -> dict[str, object]:
    """Return the options of `navigator.credentials.create()`, as JSON.

    `user_verification_required` is for passwordless login: the passkey must be discoverable and
    verify the user.
    """
    party = relying_party()
    options = webauthn.generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=from_base64url(user.handle),
        user_name=user.name,
        user_display_name=user.display_name,
        challenge=from_base64url(challenge),
        timeout=int(LIFETIME.total_seconds() * 1000),
        attestation=_attestation_conveyance(),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=(
                ResidentKeyRequirement.REQUIRED
                if user_verification_required
                else ResidentKeyRequirement.PREFERRED
            ),
            user_verification=user_verification_requirement(user_verification_required),
        ),
        exclude_credentials=[passkey.descriptor for passkey in passkeys],
        supported_pub_key_algs=ALGORITHMS,
    )
    return options_to_json_dict(options)


def request_options(
    challenge: str, passkeys: Sequence[Passkey], user_verification_required: bool
) -> dict[str, object]:
    """Return the options of `navigator.credentials.get()`, as JSON.

    Without passkeys the browser offers all it has, and the options reveal nothing about a user.
    """
    options = webauthn.generate_authentication_options(
        rp_id=relying_party().id,
        challenge=from_base64url(challenge),
        timeout=int(LIFETIME.total_seconds() * 1000),
        allow_credentials=[passkey.descriptor for passkey in passkeys],
        user_verification=user_verification_requirement(user_verification_required),
    )
    return options_to_json_dict(options)


def user_verification_requirement(user_verification_required: bool) -> UserVerificationRequirement:
    """Return the requirement to send; the response's flags show whether it was met."""
    requirement = UserVerificationRequirement
    return requirement.REQUIRED if user_verification_required else requirement.PREFERRED


def _attestation_conveyance() -> AttestationConveyancePreference:
    """Request attestation only if the operator restricts authenticators."""
    preference = AttestationConveyancePreference
    return preference.DIRECT if config.settings().passkey_attestation_roots else preference.NONE
