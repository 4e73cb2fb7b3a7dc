"""What is sent to set factors up and to prove them."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from gatehouse.web.fields import Coded, Flag, Form, Text


class NewFactor(Form):
    """A factor to have."""

    kind = Text(32, required=True, metadata={"example": "totp"})
    label = Text(64, metadata={"example": "Phone"})


class Proof(Form):
    """A proof of a factor: a code, or what a browser's passkey answered."""

    code = Text(64, load_only=True)
    credential = fields.Dict(load_only=True)


class Question(Form):
    """The factor that shall be asked for."""

    factor_id = fields.UUID(required=True)


class Challenge(Question):
    """The same in the second step of a login."""

    mfa_token = Text(64, required=True, load_only=True)


class SecondStep(Proof):
    """The proof of a factor, named by its kind or by its id."""

    mfa_token = Text(64, required=True, load_only=True)
    factor = Text(32, metadata={"description": "its kind", "example": "totp"})
    factor_id = fields.UUID()
    remember_device = Flag(load_default=False)

    @validates_schema
    def require_one_name(self, data: dict[str, Any], **_options: Any) -> None:
        """Want a kind or an id."""
        if ("factor" in data) == ("factor_id" in data):
            raise ValidationError(Coded("required", "Name the factor or its factor_id."), "factor")


class EnrolmentAtLogin(NewFactor):
    """A factor to have, by who must have one to sign in."""

    mfa_token = Text(64, required=True, load_only=True)


class ConfirmationAtLogin(Proof):
    """The first proof of it."""

    mfa_token = Text(64, required=True, load_only=True)
    factor_id = fields.UUID(required=True)


class Reauthentication(Proof):
    """The password, or the proof of a factor, named by its kind or by its id."""

    password = Text(1024, one_line=False, load_only=True)
    factor = Text(32, metadata={"description": "its kind", "example": "totp"})
    factor_id = fields.UUID()

    @validates_schema
    def require_one_proof(self, data: dict[str, Any], **_options: Any) -> None:
        """Want one proof."""
        if len({"password", "code", "credential"} & data.keys()) != 1:
            sentence = "Send one of password, code and credential."
            raise ValidationError(Coded("required", sentence), "password")
