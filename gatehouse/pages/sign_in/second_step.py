"""What follows a step of the login: the cookies of the session, a second factor, or an enrolment.

The token of a pending login is in hidden fields of the answers to forms, never in a URL.
"""

import base64
from collections.abc import Sequence

from flask import Response

from gatehouse.core.i18n import gettext_noop
from gatehouse.login.service import LoginAnswer
from gatehouse.mfa import challenges, first_step
from gatehouse.mfa.challenges import LOGIN, EnrolmentRequired, MfaRequired
from gatehouse.pages.form_pages import render_form_page, see_other
from gatehouse.pages.security_headers import gettext, sealed_request
from gatehouse.pages.sign_in.state import SignIn, continue_url
from gatehouse.sessions.token_pair import TokenPair
from gatehouse.sessions.token_response import session_cookie_headers
from models import Credential

FACTOR_NAMES = {
    "totp": gettext_noop("Authenticator app"),
    "passkey": gettext_noop("Passkey"),
    "recovery_codes": gettext_noop("Recovery code"),
    "sms": gettext_noop("Text message"),
    "email": gettext_noop("E-mail"),
}
SENT_KINDS = ("sms", "email")
"""Kinds whose code is sent when it is asked for."""
PASSKEY, RECOVERY_CODES = "passkey", "recovery_codes"
NOT_AT_HAND = (*SENT_KINDS, PASSKEY)
SVG_NAMESPACE = "http://www.w3.org/2000/svg"
Factor = dict[str, str]


def show_next_step(answer: LoginAnswer, sign_in: SignIn | None) -> Response:
    """Continue after a step of the login: with a session, or on the page of the next step."""
    if isinstance(answer.result, MfaRequired):
        return show_second_step(answer.result.mfa_token, sign_in)
    if isinstance(answer.result, EnrolmentRequired):
        return show_enrolment(answer.result.mfa_token, answer.result.kinds, sign_in)
    sealed = answer.continuation.value if answer.continuation else ""
    return set_cookies(see_other(continue_url(sealed)), answer.result)


def set_cookies(response: Response, tokens: TokenPair) -> Response:
    """Add the cookies of a session to a response."""
    response.headers.extend(session_cookie_headers(tokens))
    return response


def _list_factors(mfa_token: str) -> list[Credential]:
    pending = challenges.find_pending(LOGIN, mfa_token)
    return first_step.eligible_factors(pending.first_factor)


def _describe_factor(row: Credential) -> Factor:
    named = {"kind": row.kind, "label": row.label}
    return {"id": str(row.id), **named, "name": name_of(named)}


def show_second_step(
    mfa_token: str, sign_in: SignIn | None, *, chosen_id: str = "", message: str = ""
) -> Response:
    """Show the form for the code of the chosen factor, and the other factors.

    Raises:
        LoginNotPending: the login is not pending any more.
    """
    variables = {
        "client": sign_in.client if sign_in else None,
        "sealed": sealed_request(),
        "mfa_token": mfa_token,
        **describe_choice(_list_factors(mfa_token), chosen_id),
        "message": message,
        "next_url": continue_url(sealed_request()),
    }
    return render_form_page("second_step", variables, target=sign_in.target if sign_in else "")


def describe_choice(
    rows: Sequence[Credential], chosen_id: str, *, has_password: bool = False
) -> dict[str, object]:
    """Return the factor whose code is asked for, and the other ones.

    Without a choice it is the first whose code needs not be sent, unless there is a password. A
    recovery code is used up, so it is the first only if it is the only one.
    """
    factors = [_describe_factor(row) for row in rows]
    found = next((one for one in factors if one["id"] == chosen_id), None)
    excluded = NOT_AT_HAND if len(factors) == 1 else (*NOT_AT_HAND, RECOVERY_CODES)
    at_hand = [one for one in factors if one["kind"] not in excluded]
    first = None if has_password else next(iter(at_hand), None)
    chosen = found if found and found["kind"] != PASSKEY else first
    return {
        "chosen": chosen,
        "is_sent": found is not None and found["kind"] in SENT_KINDS,
        "others": [one for one in factors if one is not chosen],
    }


def show_enrolment(
    mfa_token: str,
    kinds: Sequence[str],
    sign_in: SignIn | None,
    **shown: object,
) -> Response:
    """Show which factors can be set up, or how to set up the chosen one."""
    variables = {
        "client": sign_in.client if sign_in else None,
        "sealed": sealed_request(),
        "mfa_token": mfa_token,
        "kinds": [{"kind": kind, "name": name_of({"kind": kind})} for kind in kinds],
        "next_url": continue_url(sealed_request()),
        "factor": None,
        "qr_image": "",
        "message": "",
        **shown,
    }
    return render_form_page("enrolment", variables, target=sign_in.target if sign_in else "")


def name_of(factor: Factor) -> str:
    """Return what a factor is called: its kind, and the label that the user gave it."""
    name = gettext(FACTOR_NAMES.get(factor["kind"], factor["kind"]))
    label = factor.get("label", "")
    is_labelled = label and label not in (factor["kind"], name)
    return gettext("%(factor)s “%(label)s”", factor=name, label=label) if is_labelled else name


def to_image(svg: str) -> str:
    """Return the `data:` URL of an SVG, which needs its XML namespace outside of HTML."""
    named = svg.replace("<svg", f'<svg xmlns="{SVG_NAMESPACE}"', 1)
    return f"data:image/svg+xml;base64,{base64.b64encode(named.encode()).decode()}"
