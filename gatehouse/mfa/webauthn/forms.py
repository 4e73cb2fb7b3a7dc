"""Forms for `PublicKeyCredential.toJSON()` (WebAuthn section 5.1); unknown members are ignored."""

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from gatehouse.web.fields import BASE64URL_PATTERN, String

BASE64URL: dict[str, str] = {"pattern": BASE64URL_PATTERN, "description": "base64url"}
MAX_ATTESTATION_LENGTH = 32_768  # characters; attestation chains need several thousand


class AuthenticatorResponse(Schema):
    """The response of the authenticator: of a new passkey with `attestationObject`.

    Of a login, with `authenticatorData` and `signature`.
    """

    clientDataJSON = String(8192, required=True, metadata=BASE64URL)  # noqa: N815 - named by the standard
    attestationObject = String(MAX_ATTESTATION_LENGTH, metadata=BASE64URL)  # noqa: N815
    authenticatorData = String(4096, metadata=BASE64URL)  # noqa: N815
    signature = String(4096, metadata=BASE64URL)
    userHandle = String(128, min_length=0, allow_none=True, metadata=BASE64URL)  # noqa: N815
    transports = fields.List(String(32), validate=validate.Length(max=16))

    class Meta:
        """Ignore further members, such as `publicKey`."""

        unknown = EXCLUDE


class BrowserCredential(Schema):
    """A passkey's response, as returned by the browser's `toJSON()`."""

    id = String(1364, required=True, metadata=BASE64URL)
    rawId = String(1364, required=True, metadata=BASE64URL)  # noqa: N815
    type = fields.String(required=True, metadata={"example": "public-key"})
    response = fields.Nested(AuthenticatorResponse, required=True)

    class Meta:
        """Ignore further members: `clientExtensionResults` and `authenticatorAttachment`."""

        unknown = EXCLUDE


CredentialJson = dict[str, Any]
"""A loaded `BrowserCredential`."""
