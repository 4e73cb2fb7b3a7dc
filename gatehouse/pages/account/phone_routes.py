"""The page of the phone number: a new one is verified with a code by SMS, an old one removed."""

from typing import cast

from flask import Response, request

from gatehouse.account import forms, phone_number
from gatehouse.database.session import commits
from gatehouse.mfa.assurance_level import require_max_assurance_level
from gatehouse.pages.account.guards import shows, submits
from gatehouse.pages.account.rendering import Variables, render_page
from gatehouse.pages.form_pages import FORM, create_blueprint, load_form
from gatehouse.tokens.service import AccessToken
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

phone_routes = create_blueprint("account_phone")


@phone_routes.get("/account/phone")
@commits
@shows("phone", require_max_assurance_level)
def show_phone(_caller: AccessToken) -> Variables:
    """Show the phone number, with a form that changes it, or takes the code of the new one."""
    is_code_sent = request.path.endswith("/verify")
    return {"pending": request.form.get("phone", "") if is_code_sent else ""}


@phone_routes.post("/auth/account/phone")
@accepts(FORM)
@rate_limit("change")
@commits
@submits("phone", require_max_assurance_level)
def change_phone(caller: AccessToken) -> Response:
    """Send a code to the new number, and ask for it."""
    form = cast(forms.PhoneChangeForm, load_form(forms.PhoneChange))
    phone_number.send_code(caller, form.phone, request_context())
    return render_page("phone", caller, pending=form.phone)


@phone_routes.post("/auth/account/phone/verify")
@accepts(FORM)
@rate_limit("verify")
@commits
@submits("phone", require_max_assurance_level)
def verify_phone(caller: AccessToken) -> str:
    """Set the phone number with the code that it received."""
    form = cast(forms.PhoneVerificationForm, load_form(forms.PhoneVerification))
    phone_number.verify_phone(caller, form.phone, form.code, request_context())
    return "phone-verified"


@phone_routes.post("/auth/account/phone/remove")
@accepts(FORM)
@rate_limit("change")
@commits
@submits("phone", require_max_assurance_level)
def remove_phone(caller: AccessToken) -> str:
    """Remove the phone number."""
    phone_number.remove_phone(caller, request_context())
    return "phone-removed"
