"""The targets of mailed links: GET is safe, and a button uses the link.

The path of a mailed link is in logs, the secret in its fragment is not: so a page shows no address.
A script puts the secret into the form; without scripts the user pastes the link there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from flask import Response, request
from marshmallow import Schema

from gatehouse.account import (
    activation,
    deletion,
    email_change,
    email_change_revert,
    email_verification,
    invitation,
    password_reset,
    pending_registration,
)
from gatehouse.account.forms import PasswordReset
from gatehouse.core.errors import ApiError
from gatehouse.core.i18n import gettext_noop
from gatehouse.database.session import commits
from gatehouse.login.methods import link
from gatehouse.mfa import reset
from gatehouse.pages.form_pages import FORM, create_blueprint, load_form, show_errors_with
from gatehouse.pages.security_headers import gettext
from gatehouse.pages.sign_in.first_step import render_sign_in
from gatehouse.pages.sign_in.registration_routes import CONFIRMED
from gatehouse.pages.sign_in.step_page import StepPage, page_context
from gatehouse.users.forms import AcceptInvitation, VerificationLink, VerifyEmail
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import RequestContext
from gatehouse.web.request_validation import accepts

mailed_link_routes = create_blueprint("mailed_links")
SIGN_IN, CODE, DONE = "sign_in", "link_code", "link_done"
"""What follows a link: the sign-in page, a page with its code, or one that says what was done."""


@dataclass(frozen=True)
class LinkPage:
    """The page of one kind of link."""

    path: str
    template: str
    limit: str
    """The rate limit of the API's route that does the same."""
    find_pending: Callable[[UUID], object | None]
    schema: type[Schema]
    use: Callable[[Any, RequestContext], object]
    """Uses the link; takes the form of the schema, and returns the code if it shows one."""
    sentence: str
    """What the next page says."""
    next_page: str = SIGN_IN


def _verify_address(form: Any, context: RequestContext) -> None:
    email_verification.verify_by_link(form.token, form.password or "", context)


LINK_PAGES = (
    LinkPage(
        *("verify-email", "verify_email", "verify", pending_registration.find_pending),
        *(VerifyEmail, _verify_address, CONFIRMED),
    ),
    LinkPage(
        *("confirm-email", "confirm_email", "verify", email_change.find_pending),
        *(VerifyEmail, _verify_address),
        gettext_noop("Your new e-mail address is confirmed. Sign in with it from now on."),
    ),
    LinkPage(
        *("accept-invitation", "invitation", "invitation", invitation.find_pending),
        *(AcceptInvitation, lambda form, who: invitation.accept(form.token, form.password, who)),
        gettext_noop("Your account is ready. You can sign in now."),
    ),
    LinkPage(
        *("reset-password", "reset_password", "reset", password_reset.find_pending),
        *(PasswordReset, password_reset.reset_password),
        gettext_noop("Your new password is set. You can sign in with it now."),
    ),
    LinkPage(
        *("restore-account", "restore_account", "verify", deletion.find_pending),
        *(VerificationLink, lambda form, who: deletion.restore_account(form.token, who)),
        gettext_noop("Restored: you can sign in again."),
    ),
    LinkPage(
        *("undo-email", "revert_email_change", "verify", email_change_revert.find_pending),
        *(VerificationLink, lambda f, who: email_change_revert.revert_email_change(f.token, who)),
        gettext_noop("Your old e-mail address is restored, and all devices are signed out."),
        DONE,
    ),
    LinkPage(
        *("cancel-mfa-reset", "cancel_mfa_reset", "verify", reset.find_pending),
        *(VerificationLink, lambda form, who: reset.cancel_by_link(form.token, who)),
        gettext_noop("Cancelled: your second factors will not be removed."),
        DONE,
    ),
    LinkPage(
        *("sign-up-code", "sign_up_code", "verify", pending_registration.find_pending),
        *(VerificationLink, lambda form, _who: activation.get_code(form.token)),
        gettext_noop(
            "Now enter this code on the page or in the app where you are creating the account."
        ),
        CODE,
    ),
    LinkPage(
        *("login-link", "login_link", "login", link.find_pending),
        *(VerificationLink, lambda form, _who: link.get_code(form.token)),
        gettext_noop("Now enter this code on the page or in the app where you want to sign in."),
        CODE,
    ),
)


def _add_routes(page: LinkPage) -> None:
    """Add the page of a link, which GET shows, and whose form is sent to its own address."""
    path = f"/{page.path}/<uuid:request_id>"

    def show(request_id: UUID) -> Response:
        return _show(page, request_id)

    def use(request_id: UUID) -> Response:
        return _use(page, request_id)

    limited = accepts(FORM)(rate_limit(page.limit)(commits(use)))
    mailed_link_routes.get(path, endpoint=page.template)(commits(show))
    mailed_link_routes.post(path, endpoint=f"use_{page.template}")(limited)


def _show(page: LinkPage, request_id: UUID, error: ApiError | None = None) -> Response:
    """Show the page of a link; used, expired, replaced and invalid links look the same."""
    pending = page.find_pending(request_id)
    if pending is None:
        expired = StepPage("link_expired", variables={"name": page.template}).render()
        expired.status_code = error.status if error else 404
        return expired
    variables = {"pending": pending, "token": _read_token(), "path": request.path}
    return StepPage(page.template, variables=variables).render(error)


def _use(page: LinkPage, request_id: UUID) -> Response:
    """Use a link, and show what follows."""
    show_errors_with(partial(_show, page, request_id))
    found = page.use(load_form(page.schema, token=_read_token()), page_context())
    sentence = gettext(page.sentence)
    if page.next_page == SIGN_IN:
        return render_sign_in(None, notice=sentence)
    variables = {"code": found, "name": page.template}
    return StepPage(page.next_page, variables=variables).render(notice=sentence)


def _read_token() -> str:
    """Return the token of the form, where a whole link may have been pasted."""
    return request.form.get("token", "").rpartition("#")[2].strip()


for _page in LINK_PAGES:
    _add_routes(_page)
