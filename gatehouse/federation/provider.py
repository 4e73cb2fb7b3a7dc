"""An identity provider as the operator declares it: its type, and the form of its declaration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from gatehouse.settings.parsers import split_url
from models import PROFILE_LENGTHS

BASIC, POST = "client_secret_basic", "client_secret_post"
FIRST_SIGN_IN, EACH_SIGN_IN = "first_sign_in", "each_sign_in"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures of ID tokens that can be allowed: asymmetric ones only."""
ANY_DOMAIN = "*"


@dataclass(frozen=True, kw_only=True)
class Provider:
    """An identity provider, from its preset and the operator's declaration."""

    name: str
    kind: str
    """The plugin in `federation/providers`: a preset, `oidc` or `oauth2`."""
    label: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    signing_key: str = field(default="", repr=False)
    """PEM of the key with which a client secret is made, where the provider requires that."""
    signing_key_id: str = ""
    team_id: str = ""
    issuer: str
    scopes: tuple[str, ...] = ()
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    userinfo_endpoint: str = ""
    emails_endpoint: str = ""
    token_auth: str = BASIC
    response_mode: str = ""
    algorithms: tuple[str, ...] = ("RS256", "ES256", "PS256")
    parameters: Mapping[str, str] = field(default_factory=dict)
    native_client_ids: tuple[str, ...] = ()
    subject_claim: str = "sub"
    text_booleans: bool = False
    """Whether `email_verified` may be the text `true`, as a few providers document."""
    trusted_email_domains: tuple[str, ...] = ()
    trusted_domain_claim: str = ""
    required_claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    allowed_email_domains: tuple[str, ...] = ()
    registration: bool = True
    profile: Mapping[str, str] = field(default_factory=dict)
    update_profile: str = FIRST_SIGN_IN
    mfa_amr: tuple[str, ...] = ()
    mfa_acr: tuple[str, ...] = ()

    def trusts_email(self, email: str, claims: Mapping[str, object]) -> bool:
        """Return whether the operator relies on this provider for an address of this domain."""
        domain = email.rpartition("@")[2].lower()
        trusted = self.trusted_email_domains
        if ANY_DOMAIN in trusted or domain in trusted:
            return True
        claim = claims.get(self.trusted_domain_claim) if self.trusted_domain_claim else None
        return isinstance(claim, str) and claim.lower() == domain


def _require_url(value: str) -> None:
    parts = split_url(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise ValidationError("Write a URL that starts with https://.")


def _require_profile_fields(mapping: Mapping[str, str]) -> None:
    for name in mapping.keys() - PROFILE_LENGTHS.keys():
        raise ValidationError(f"{name} is no field of the profile.")


def _url(**options: object) -> fields.String:
    return fields.String(validate=_require_url, **options)  # type: ignore[arg-type]


def _names() -> fields.List[Any]:
    return fields.List(fields.String(validate=validate.Length(1, 255)))


class Declaration(Schema):
    """The table of a provider in the file of providers, together with what its preset says."""

    label = fields.String(required=True, validate=validate.Length(1, 40))
    client_id = fields.String(required=True, validate=validate.Length(1, 255))
    client_secret = fields.String()
    signing_key = fields.String()
    signing_key_id = fields.String()
    team_id = fields.String()
    issuer = _url(required=True)
    scopes = _names()
    authorization_endpoint = _url()
    token_endpoint = _url()
    userinfo_endpoint = _url()
    emails_endpoint = _url()
    token_auth = fields.String(validate=validate.OneOf((BASIC, POST)))
    response_mode = fields.String(validate=validate.OneOf(("", "form_post")))
    algorithms = fields.List(
        fields.String(validate=validate.OneOf(ALGORITHMS)), validate=validate.Length(1)
    )
    parameters = fields.Dict(fields.String(), fields.String())
    native_client_ids = _names()
    subject_claim = fields.String(validate=validate.Length(1, 64))
    text_booleans = fields.Boolean(truthy={True}, falsy={False})
    trusted_email_domains = _names()
    trusted_domain_claim = fields.String()
    required_claims = fields.Dict(fields.String(), fields.List(fields.String()))
    allowed_email_domains = _names()
    registration = fields.Boolean(truthy={True}, falsy={False})
    profile = fields.Dict(fields.String(), fields.String(), validate=_require_profile_fields)
    update_profile = fields.String(validate=validate.OneOf((FIRST_SIGN_IN, EACH_SIGN_IN)))
    mfa_amr = _names()
    mfa_acr = _names()

    @post_load
    def freeze(self, members: dict[str, object], **_: object) -> dict[str, object]:
        """Return the members with tuples in the place of lists."""
        return {name: _freeze(value) for name, value in members.items()}


def _freeze(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return {name: _freeze(member) for name, member in value.items()}
    return value
