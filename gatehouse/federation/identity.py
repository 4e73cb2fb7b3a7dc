"""Who a provider says that the user is: the result of a sign-in there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gatehouse.federation.errors import IdentityNotAllowed
from gatehouse.federation.provider import Provider
from gatehouse.one_time_codes.stored_data import StoredData

MAX_CLAIM_LENGTH = 500


@dataclass(frozen=True, kw_only=True)
class AuthenticatedIdentity(StoredData):
    """A user at a provider: issuer and subject identify it, and nothing else does."""

    provider: str
    issuer: str
    subject: str
    email: str = ""
    is_email_verified: bool = False
    """Whether the provider has verified the address, and the operator relies on that."""
    profile: dict[str, str] = field(default_factory=dict)
    """Fields of our profile, from the claims that the operator has mapped; not validated yet."""
    has_two_factors: bool = False
    """Whether the provider has verified two factors, by what the operator declares."""


def build_identity(provider: Provider, claims: Mapping[str, object]) -> AuthenticatedIdentity:
    """Return the identity of verified claims, whose subject is valid.

    Raises:
        IdentityNotAllowed: the operator does not allow such users of the provider.
    """
    email = claims.get("email")
    email = email if isinstance(email, str) and len(email) <= MAX_CLAIM_LENGTH else ""
    is_verified = _is_true(provider, claims.get("email_verified"))
    _require_allowed(provider, claims, email if is_verified else "")
    mapped = {name: _read_claim(claims, claim) for name, claim in provider.profile.items()}
    return AuthenticatedIdentity(
        provider=provider.name,
        issuer=provider.issuer,
        subject=str(claims[provider.subject_claim]),
        email=email,
        is_email_verified=bool(email) and is_verified and provider.trusts_email(email, claims),
        profile={name: value for name, value in mapped.items() if value},
        has_two_factors=_has_two_factors(provider, claims),
    )


def _require_allowed(provider: Provider, claims: Mapping[str, object], verified_email: str) -> None:
    """Require the claims and the domains that the operator declares, at each sign-in."""
    for name, allowed in provider.required_claims.items():
        value = claims.get(name)
        if not isinstance(value, str) or value not in allowed:
            raise IdentityNotAllowed(provider=provider.name, reason=f"claim {name}")
    domains, domain = provider.allowed_email_domains, verified_email.rpartition("@")[2].lower()
    if domains and domain not in domains:
        raise IdentityNotAllowed(provider=provider.name, reason="domain of the address")


def _is_true(provider: Provider, value: object) -> bool:
    """Return whether a claim is true; text is not, unless the provider documents it."""
    return value is True or (provider.text_booleans and value == "true")


def _read_claim(claims: Mapping[str, object], path: str) -> str:
    """Return the text of a claim; a dot in the path leads into an object."""
    value: object = claims
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) and len(value) <= MAX_CLAIM_LENGTH else ""


def _has_two_factors(provider: Provider, claims: Mapping[str, object]) -> bool:
    amr, acr = claims.get("amr"), claims.get("acr")
    listed = [value for value in amr if isinstance(value, str)] if isinstance(amr, list) else []
    return not set(listed).isdisjoint(provider.mfa_amr) or acr in provider.mfa_acr
