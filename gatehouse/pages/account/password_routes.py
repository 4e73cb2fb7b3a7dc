"""The page of the password: change it, or get a link to choose the first one."""

from typing import cast
from uuid import UUID

from gatehouse.account import forms, password_change, password_reset
from gatehouse.database.session import commits
from gatehouse.mfa.assurance_level import require_second_factor_if_enrolled
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.pages.account.guards import shows, submits
from gatehouse.pages.account.rendering import Variables
from gatehouse.pages.form_pages import FORM, create_blueprint, load_form
from gatehouse.passwords import service as passwords
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

password_routes = create_blueprint("account_password")


@password_routes.get("/account/password")
@commits
@shows("password", require_second_factor_if_enrolled)
def show_password(caller: AccessToken) -> Variables:
    """Show the form that changes the password; without one, how to choose one."""
    return {"has_password": passwords.get(UUID(caller.sub)) is not None}


@password_routes.post("/auth/account/password")
@accepts(FORM)
@rate_limit("login")
@commits
@submits("password", require_second_factor_if_enrolled)
def change_password(caller: AccessToken) -> str:
    """Change the password; the other sessions end."""
    form = cast(forms.PasswordChangeForm, load_form(forms.PasswordChange))
    password_change.change_password(caller, form.current_password, form.password, request_context())
    return "password-changed"


@password_routes.post("/auth/account/password/link")
@accepts(FORM)
@rate_limit("forgot")
@commits
@submits("password")
def send_password_link(caller: AccessToken) -> str:
    """Send an e-mail with which the user chooses a password."""
    user = users.require_user(UUID(caller.sub))
    recipient = Recipient("email", user.email, user.email_canonical, user.locale)
    password_reset.request_reset(recipient, request_context())
    return "password-link-sent"
