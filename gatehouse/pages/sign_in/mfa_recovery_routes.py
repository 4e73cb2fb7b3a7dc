"""Help for those who cannot sign in, and the recovery from a lost second factor."""

from typing import cast

from flask import Response, request

from gatehouse.account import mfa_recovery
from gatehouse.account.forms import (
    MfaRecoveryProof,
    MfaRecoveryProofForm,
    MfaRecoveryRequest,
    RecoveryRequestForm,
)
from gatehouse.captcha import service as captcha
from gatehouse.core.errors import reject_field
from gatehouse.database.session import commits
from gatehouse.pages.form_pages import (
    FORM,
    create_blueprint,
    load_form,
    see_other,
    show_errors_with,
)
from gatehouse.pages.security_headers import link_to
from gatehouse.pages.sign_in.state import SignIn, read_sign_in
from gatehouse.pages.sign_in.step_page import StepPage, page_context
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_validation import accepts

mfa_recovery_routes = create_blueprint("mfa_recovery")


@mfa_recovery_routes.get("/trouble")
@rate_limit("authorize")
@commits
def show_trouble() -> Response:
    """Show what to do about each reason why a sign-in does not succeed."""
    return StepPage("trouble", read_sign_in()).render()


@mfa_recovery_routes.get("/mfa-recovery")
@rate_limit("authorize")
@commits
def show_mfa_recovery() -> Response:
    """Ask for the e-mail address of an account whose second factor is lost."""
    return _first_page(read_sign_in()).render()


@mfa_recovery_routes.post("/mfa-recovery")
@accepts(FORM)
@rate_limit("forgot")
@commits
def request_mfa_recovery() -> Response:
    """Send a code, if there is an account, and ask for it and another proof."""
    sign_in = read_sign_in()
    show_errors_with(_first_page(sign_in).render)
    form = cast(RecoveryRequestForm, load_form(MfaRecoveryRequest))
    captcha.check_request("forgot", form.captcha, page_context())
    return _code_page(sign_in, mfa_recovery.send_code(form.recipient, page_context())).render()


@mfa_recovery_routes.get("/mfa-recovery/code")
def reload_mfa_recovery() -> Response:
    """Begin again for those who reload the answer to a form: its token is in no URL."""
    return see_other(link_to("/mfa-recovery"))


@mfa_recovery_routes.post("/mfa-recovery/code")
@accepts(FORM)
@rate_limit("login")
@commits
def confirm_mfa_recovery() -> Response:
    """Schedule the removal of all second factors, and say when it happens."""
    sign_in = read_sign_in()
    show_errors_with(_code_page(sign_in, request.form.get("recovery_token", "")).render)
    due_at = mfa_recovery.confirm_recovery(_load_proof(), page_context())
    return StepPage("mfa_recovery_done", sign_in, {"due_at": due_at}).render()


def _load_proof() -> MfaRecoveryProofForm:
    """Return the code with one other proof.

    Raises:
        ValidationFailed: there is none, or there are two.
    """
    proofs = [request.form.get(name) for name in ("password", "recovery_code")]
    if not any(proofs) or all(proofs):
        reject_field("password", "one_proof", "Enter your password, or a recovery code.")
    return cast(MfaRecoveryProofForm, load_form(MfaRecoveryProof))


def _first_page(sign_in: SignIn | None) -> StepPage:
    return StepPage("mfa_recovery", sign_in, captcha_action="forgot")


def _code_page(sign_in: SignIn | None, recovery_token: str) -> StepPage:
    return StepPage("mfa_recovery_code", sign_in, {"recovery_token": recovery_token})
