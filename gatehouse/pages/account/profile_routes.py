"""The profile page: name, username, language, and the attributes that the operator declares."""

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from flask import request

from gatehouse.core import i18n
from gatehouse.database.session import commits
from gatehouse.pages.account import attribute_fields
from gatehouse.pages.account.guards import shows, submits
from gatehouse.pages.account.rendering import Variables
from gatehouse.pages.form_pages import FORM, create_blueprint, load_members
from gatehouse.tokens.service import AccessToken
from gatehouse.users import profile_update
from gatehouse.users import service as users
from gatehouse.users.forms import ProfileUpdate, ProfileUpdateForm
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

profile_routes = create_blueprint("account_profile")
FIELDS = ("name", "username", "locale")


@profile_routes.get("/account/profile")
@commits
@shows("profile")
def show_profile(caller: AccessToken) -> Variables:
    """Show the profile, with a form for what the user may change."""
    profile = users.get_profile(UUID(caller.sub))
    return {
        "profile": profile,
        "languages": i18n.list_languages(),
        "attributes": attribute_fields.list_fields(profile.get("attributes") or {}),
    }


@profile_routes.post("/auth/account/profile")
@accepts(FORM)
@commits
@submits("profile")
def change_profile(caller: AccessToken) -> str:
    """Change the fields of the form; an empty field is cleared."""
    sent: Mapping[str, object] = {
        name: request.form[name].strip() or None for name in FIELDS if name in request.form
    }
    changes = attribute_fields.read_changes(request.form)
    form = load_members(ProfileUpdate, {**sent, **({"attributes": changes} if changes else {})})
    profile_update.update_profile(
        UUID(caller.sub), cast(ProfileUpdateForm, form), request_context()
    )
    return "saved"
