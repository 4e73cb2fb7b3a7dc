"""Forms for enrolling and verifying factors."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from gatehouse.web.fields import Boolean, CodedMessage, Form, String


class NewFactor(Form):
    """A factor to enrol."""

    kind = String(32, required=True, metadata={"example": "totp"})
    label = String(64, metadata={"example": "Phone"})


class FactorVerification(Form):
    """The response of a factor: a code, or a passkey's credential from the browser."""

    code = String(64, load_only=True)
    credential = fields.Dict(load_only=True)


class ChallengeRequest(Form):
    """The factor to send a challenge for."""

    factor_id = fields.UUID(required=True)


class LoginChallengeRequest(ChallengeRequest):
    """The factor to send a challenge for in the second step of a login."""

    mfa_token = String(64, required=True, load_only=True)


class SecondFactorLogin(FactorVerification):
    """The second step of a login: a factor, by kind or id, and its response."""

    mfa_token = String(64, required=True, load_only=True)
    factor = String(32, metadata={"description": "the kind of the factor", "example": "totp"})
    factor_id = fields.UUID()
    remember_device = Boolean(load_default=False)

    @validates_schema
    def require_one_reference(self, data: dict[str, Any], **_options: Any) -> None:
        """Require either `factor` or `factor_id`."""
        if ("factor" in data) == ("factor_id" in data):
            raise ValidationError(
                CodedMessage("required", "Name the factor or its factor_id."), "factor"
            )


class EnrolmentAtLogin(NewFactor):
    """A factor to enrol in a login that requires one."""

    mfa_token = String(64, required=True, load_only=True)


class ConfirmationAtLogin(FactorVerification):
    """The first response of a factor that is enrolled in a login."""

    mfa_token = String(64, required=True, load_only=True)
    factor_id = fields.UUID(required=True)


class Reauthentication(FactorVerification):
    """The password, or the response of a factor, given by its kind or id."""

    password = String(1024, one_line=False, load_only=True)
    factor = String(32, metadata={"description": "the kind of the factor", "example": "totp"})
    factor_id = fields.UUID()

    @validates_schema
    def require_one_response(self, data: dict[str, Any], **_options: Any) -> None:
        """Require exactly one of `password`, `code` and `credential`."""
        if len({"password", "code", "credential"} & data.keys()) != 1:
            message = "Send one of password, code and credential."
            raise ValidationError(CodedMessage("required", message), "password")
