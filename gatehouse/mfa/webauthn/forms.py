"""What `PublicKeyCredential.toJSON()` gives (WebAuthn section 5.1); browsers may add to it."""

from typing import Any

from marshmallow import EXCLUDE, Schema, fields, validate

from gatehouse.web.fields import Text

LONGEST = 32_768  # characters; attestation chains take some thousands


class Response(Schema):
    """What the authenticator answered; base64url."""

    clientDataJSON = Text(8192, required=True)  # noqa: N815 - named by the standard
    attestationObject = Text(LONGEST, metadata={"description": "of a new passkey"})  # noqa: N815
    authenticatorData = Text(4096, metadata={"description": "of a signature"})  # noqa: N815
    signature = Text(4096, metadata={"description": "of a signature"})
    userHandle = Text(128, shortest=0, allow_none=True)  # noqa: N815
    transports = fields.List(Text(32), validate=validate.Length(max=16))

    class Meta:
        """Browsers also tell what stands inside: `publicKey` and the like."""

        unknown = EXCLUDE


class BrowserCredential(Schema):
    """The answer of a passkey, as the browser's `toJSON()` gives it."""

    id = Text(1364, required=True, metadata={"description": "base64url"})
    rawId = Text(1364, required=True)  # noqa: N815
    type = fields.String(required=True, metadata={"example": "public-key"})
    response = fields.Nested(Response, required=True)

    class Meta:
        """Browsers also tell `clientExtensionResults` and `authenticatorAttachment`."""

        unknown = EXCLUDE


Answer = dict[str, Any]
"""What this form gives."""
