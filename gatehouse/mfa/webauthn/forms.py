"""Forms for `PublicKeyCredential.toJSON()` (WebAuthn section 5.1); unknown members are ignored."""

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from gatehouse.web.fields import String

MAX_ATTESTATION_LENGTH = 32_768  # characters; attestation chains need several thousand


class AuthenticatorResponse(Schema):
    """The response of the authenticator; values are base64url."""

    clientDataJSON = String(8192, required=True)  # noqa: N815 - named by the standard
    attestationObject = String(MAX_ATTESTATION_LENGTH, metadata={"description": "of a new passkey"})  # noqa: N815
    authenticatorData = String(4096, metadata={"description": "of a signature"})  # noqa: N815
    signature = String(4096, metadata={"description": "of a signature"})
    userHandle = String(128, min_length=0, allow_none=True)  # noqa: N815
    transports = fields.List(String(32), validate=validate.Length(max=16))

    class Meta:
        """Ignore further members, such as `publicKey`."""

        unknown = EXCLUDE


class BrowserCredential(Schema):
    """A passkey's response, as returned by the browser's `toJSON()`."""

    id = String(1364, required=True, metadata={"description": "base64url"})
    rawId = String(1364, required=True)  # noqa: N815
    type = fields.String(required=True, metadata={"example": "public-key"})
    response = fields.Nested(AuthenticatorResponse, required=True)

    class Meta:
        """Ignore further members: `clientExtensionResults` and `authenticatorAttachment`."""

        unknown = EXCLUDE


CredentialJson = dict[str, Any]
"""A loaded `BrowserCredential`."""
