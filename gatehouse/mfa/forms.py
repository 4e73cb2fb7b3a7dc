"""Forms for enrolling and verifying factors."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

from marshmallow import ValidationError, fields, post_load, validates_schema

from gatehouse.mfa import registry
from gatehouse.mfa.factor import FactorResponse, SecondFactorResponse
from gatehouse.web.fields import Boolean, Code, CodedMessage, Form, String

FACTOR_BY_FIELD = {"code": "totp", "credential": "passkey"}
"""Form fields that hold a factor's response, and the kind each implies where none is named."""


@dataclass(frozen=True)
class NewFactorForm:
    """The factor to enrol."""

    kind: str
    label: str | None = None


class NewFactor(Form):
    """A factor to enrol."""

    form_type: ClassVar[type] = NewFactorForm

    kind = String(32, required=True, metadata={"example": "totp"})
    label = String(64, metadata={"example": "Phone"})


@dataclass(frozen=True)
class FactorVerificationForm:
    """The response of a factor."""

    given: SecondFactorResponse


class FactorVerification(Form):
    """The response of a factor: a code, or a passkey's credential from the browser."""

    form_type: ClassVar[type] = FactorVerificationForm

    code = Code()
    credential = fields.Dict(load_only=True)

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> object:
        """Return the form with the factor's response, loaded with the schema of its plugin."""
        response = {name: members.pop(name) for name in FACTOR_BY_FIELD if name in members}
        kind, factor_id = members.pop("factor", ""), members.pop("factor_id", None)
        given = SecondFactorResponse(kind, load_response(kind, response), factor_id)
        return self.form_type(given=given, **members)


def load_response(kind: str, members: dict[str, Any]) -> FactorResponse:
    """Load a response with the schema of its kind, or else of a kind that takes these members.

    A malformed one is rejected later (`verification.require_response_of`), once its factor is known
    and the error can say what that needs.
    """
    enabled = registry.enabled_factors()
    schemas = [factor.schema() for factor in enabled.values()]
    matching = [schema for schema in schemas if schema.fields.keys() == members.keys()]
    if kind in enabled:
        matching = [enabled[kind].schema()]
    response = FactorResponse(**members)
    with suppress(ValidationError):
        response = matching[0].load(members) if matching else response
    return response


@dataclass(frozen=True)
class ChallengeRequestForm:
    """The factor to send a challenge for."""

    factor_id: UUID


class ChallengeRequest(Form):
    """The factor to send a challenge for."""

    form_type: ClassVar[type] = ChallengeRequestForm

    factor_id = fields.UUID(required=True)


@dataclass(frozen=True)
class LoginChallengeRequestForm:
    """The factor to send a challenge for, and the token of the pending login."""

    factor_id: UUID
    mfa_token: str = field(repr=False)


class LoginChallengeRequest(ChallengeRequest):
    """The factor to send a challenge for in the second step of a login."""

    form_type = LoginChallengeRequestForm

    mfa_token = String(64, required=True, load_only=True)


@dataclass(frozen=True)
class SecondFactorLoginForm:
    """The second step of a login."""

    mfa_token: str = field(repr=False)
    given: SecondFactorResponse
    remember_device: bool


class SecondFactorLogin(FactorVerification):
    """The second step of a login: a factor, by kind or id, and its response."""

    form_type = SecondFactorLoginForm
    alternatives = (frozenset({"factor"}), frozenset({"factor_id"}))

    mfa_token = String(64, required=True, load_only=True)
    factor = String(32, metadata={"description": "the kind of the factor", "example": "totp"})
    factor_id = fields.UUID()
    remember_device = Boolean(load_default=False)

    @validates_schema
    def require_one_alternative(self, data: dict[str, object], **_options: object) -> None:
        """Require either `factor` or `factor_id`."""
        if ("factor" in data) == ("factor_id" in data):
            raise ValidationError(
                CodedMessage("required", "Name the factor or its factor_id."), "factor"
            )


@dataclass(frozen=True)
class EnrolmentAtLoginForm(NewFactorForm):
    """The factor to enrol, and the token of the pending login."""

    mfa_token: str = field(kw_only=True, repr=False)


class EnrolmentAtLogin(NewFactor):
    """A factor to enrol in a login that requires one."""

    form_type = EnrolmentAtLoginForm

    mfa_token = String(64, required=True, load_only=True)


@dataclass(frozen=True)
class ConfirmationAtLoginForm:
    """The first response of a new factor, which it names by id."""

    mfa_token: str = field(repr=False)
    given: SecondFactorResponse


class ConfirmationAtLogin(FactorVerification):
    """The first response of a factor that is enrolled in a login."""

    form_type = ConfirmationAtLoginForm

    mfa_token = String(64, required=True, load_only=True)
    factor_id = fields.UUID(required=True)


@dataclass(frozen=True)
class ReauthenticationForm:
    """The password, or else the response of a factor."""

    given: SecondFactorResponse
    password: str | None = field(default=None, repr=False)


class Reauthentication(FactorVerification):
    """The password, or the response of a factor, given by its kind or id."""

    form_type = ReauthenticationForm
    alternatives = (frozenset({"password"}), frozenset({"code"}), frozenset({"credential"}))

    password = String(1024, one_line=False, load_only=True)
    factor = String(32, metadata={"description": "the kind of the factor", "example": "totp"})
    factor_id = fields.UUID()

    @validates_schema
    def require_one_alternative(self, data: dict[str, object], **_options: object) -> None:
        """Require exactly one of `password`, `code` and `credential`."""
        if len({"password", "code", "credential"} & data.keys()) != 1:
            message = "Send one of password, code and credential."
            raise ValidationError(CodedMessage("required", message), "password")

    @post_load
    def make_form(self, members: dict[str, object], **options: object) -> object:
        """Return the form; the kind of factor follows from the response unless it is named."""
        kinds = [kind for name, kind in FACTOR_BY_FIELD.items() if name in members]
        if kinds and "factor_id" not in members:
            members = {"factor": kinds[0], **members}
        if "password" in members:
            members.pop("factor", None)
        return super().make_form(members, **options)
