"""What an administrator enters to create or change a user, over HTTP or at the command line."""

from dataclasses import dataclass, field

from marshmallow import post_load

from gatehouse.users import identifiers
from gatehouse.users.forms import (
    PHONE_METADATA,
    USERNAME_METADATA,
    Identifier,
    ProfileFields,
    attributes_field,
    email_field,
    profile_fields,
    validate_username,
)
from gatehouse.users.identifiers import Email
from gatehouse.web.fields import Form


@dataclass(frozen=True)
class NewUserForm:
    """The form `NewUser`."""

    email: Email
    profile: dict[str, object]
    attributes: dict[str, object] = field(default_factory=dict)


class NewUser(ProfileFields):
    """A new user, who chooses a password with the link of an invitation."""

    form_type = NewUserForm

    email = email_field()
    username = Identifier(validate_username, 32, min_length=3, metadata=USERNAME_METADATA)
    attributes = attributes_field()

    class Meta:
        """The profile's fields."""

        include = profile_fields()


@dataclass(frozen=True)
class UserUpdateForm:
    """The form `UserUpdate`."""

    fields: dict[str, object]
    """The fields to change; None clears a field."""


class UserUpdate(Form):
    """What an administrator changes of a user; null clears a field."""

    form_type = UserUpdateForm

    email = Identifier(identifiers.parse_email, 254, metadata={"format": "email"})
    username = Identifier(
        validate_username, 32, min_length=3, allow_none=True, metadata=USERNAME_METADATA
    )
    phone = Identifier(identifiers.parse_phone, 32, allow_none=True, metadata=PHONE_METADATA)
    attributes = attributes_field()

    class Meta:
        """The profile's fields."""

        include = profile_fields(allow_none=True)

    @post_load
    def make_form(self, members: dict[str, object], **_: object) -> UserUpdateForm:
        """Return the fields that were sent."""
        return UserUpdateForm(members)
