"""Forms of resources: over HTTP, at the command line, in TOML."""

from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import fields, post_load, validate

from gatehouse.oauth import resources
from gatehouse.oauth.resources import ResourceChange
from gatehouse.web.fields import Form, String


@dataclass(frozen=True)
class NewResourceForm:
    """The form `NewResource`."""

    audience: str
    change: ResourceChange


class ResourceMembers(Form):
    """What can be set of a resource."""

    form_type: ClassVar[type] = ResourceChange

    name = String(100, metadata={"description": "shown to users", "example": "Orders"})
    scopes = fields.Dict(
        keys=String(64),
        values=String(resources.MAX_SENTENCE_LENGTH),
        validate=validate.Length(max=resources.MAX_SCOPES),
        metadata={
            "description": "what each scope allows, in words for the consent page",
            "example": {"orders:read": "See your orders."},
        },
    )


class ResourceUpdate(ResourceMembers):
    """What to change of a resource; what is left out stays."""


class NewResource(ResourceMembers):
    """A resource to register."""

    form_type = NewResourceForm

    audience = String(
        resources.MAX_AUDIENCE_LENGTH,
        required=True,
        metadata={
            "description": "an absolute URI: the `aud` of its access tokens",
            "example": "https://api.example.com",
        },
    )
    name = String(
        100, required=True, metadata={"description": "shown to users", "example": "Orders"}
    )

    @post_load
    def make_form(self, members: dict[str, Any], **_: object) -> NewResourceForm:
        """Return the form."""
        return NewResourceForm(members.pop("audience"), ResourceChange(**members))
