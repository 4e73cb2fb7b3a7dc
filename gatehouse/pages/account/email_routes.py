"""The page of the e-mail address: a new one is verified with the code that is sent to it.

The answers do not show whether an address has an account: the page asks for the code in any case.
"""

from typing import cast
from uuid import UUID

from flask import Response, request

from gatehouse.account import email_change, email_verification, forms
from gatehouse.database.session import commits
from gatehouse.mfa.assurance_level import require_max_assurance_level
from gatehouse.pages.account.guards import shows, submits
from gatehouse.pages.account.rendering import Variables, render_page
from gatehouse.pages.form_pages import FORM, create_blueprint, load_form, load_members
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.users.forms import VerifyEmail, VerifyEmailForm
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

email_routes = create_blueprint("account_email")


@email_routes.get("/account/email")
@commits
@shows("email", require_max_assurance_level)
def show_email(caller: AccessToken) -> Variables:
    """Show the e-mail address, with a form that changes it, or takes the code of the new one."""
    is_verified = users.get_profile(UUID(caller.sub))["email_verified"]
    is_code_sent = request.path.endswith("/verify")
    pending = request.form.get("email", "") if is_code_sent else ""
    return {"is_verified": is_verified, "pending": pending}


@email_routes.post("/auth/account/email")
@accepts(FORM)
@rate_limit("change")
@commits
@submits("email", require_max_assurance_level)
def change_email(caller: AccessToken) -> Response:
    """Send a code to the new address, and ask for it."""
    form = cast(forms.EmailForm, load_form(forms.EmailChange))
    email_change.request_email_change(caller, form.email, request_context())
    return render_page("email", caller, pending=form.email.as_written)


@email_routes.post("/auth/account/email/verify")
@accepts(FORM)
@rate_limit("verify")
@commits
@submits("email")
def verify_email(caller: AccessToken) -> str:
    """Change the e-mail address with the code that the new one received."""
    sent = {name: request.form.get(name, "") for name in ("email", "code")}
    email = cast(forms.EmailForm, load_members(forms.EmailChange, sent)).email
    form = cast(VerifyEmailForm, load_members(VerifyEmail, sent))
    email_verification.verify_with_session(caller, email, form.code, request_context())
    return "email-changed"
