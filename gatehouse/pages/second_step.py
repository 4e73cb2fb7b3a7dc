"""What follows a step of the login: the cookies of the session, a second factor, or an enrolment.

The token of a pending login is in hidden fields of the answers to forms, never in a URL.
"""

from collections.abc import Sequence
from uuid import UUID

from flask import Response

from gatehouse.core.i18n import gettext_noop
from gatehouse.login.service import LoginAnswer
from gatehouse.mfa import challenges, first_step, registry
from gatehouse.mfa.challenges import LOGIN, EnrolmentRequired, MfaRequired
from gatehouse.pages.form_pages import render_form_page, see_other
from gatehouse.pages.security_headers import gettext, sealed_request
from gatehouse.pages.sign_in_state import SignIn, continue_url
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
PASSKEY = "passkey"
Factor = dict[str, str]


def show_next_step(answer: LoginAnswer, sign_in: SignIn | None) -> Response:
    """Continue after a step of the login: with a session, or on the page of the next step."""
    if isinstance(answer.result, MfaRequired):
        return show_second_step(answer.result.mfa_token, answer.result.factors, sign_in)
    if isinstance(answer.result, EnrolmentRequired):
        return show_enrolment(answer.result.mfa_token, answer.result.kinds, sign_in)
    sealed = answer.continuation.value if answer.continuation else ""
    return set_cookies(see_other(continue_url(sealed)), answer.result)


def set_cookies(response: Response, tokens: TokenPair) -> Response:
    """Add the cookies of a session to a response."""
    response.headers.extend(session_cookie_headers(tokens))
    return response


def list_factors(mfa_token: str) -> list[Factor]:
    """Return the factors that can complete a pending login.

    Raises:
        LoginNotPending: it is not pending any more.
    """
    pending = challenges.find_pending(LOGIN, mfa_token)
    return [describe_factor(row) for row in first_step.eligible_factors(pending.first_factor)]


def describe_factor(row: Credential) -> Factor:
    """Return a factor as the API describes it in a challenge."""
    return {"id": str(row.id), "kind": row.kind, "label": row.label}


def show_second_step(
    mfa_token: str,
    factors: Sequence[Factor],
    sign_in: SignIn | None,
    **shown: object,
) -> Response:
    """Show the form for a code, and the other factors.

    `shown` may name the `chosen` factor and have a `message`. Without a choice it is the first
    factor whose code is not sent.
    """
    named = [{**factor, "name": name_of(factor)} for factor in factors]
    at_hand = [one for one in named if one["kind"] not in (*SENT_KINDS, PASSKEY)]
    chosen = next((one for one in named if one.get("id") == str(shown.get("chosen"))), None)
    variables = {
        "client": sign_in.client if sign_in else None,
        "sealed": sealed_request(),
        "mfa_token": mfa_token,
        "factors": named,
        "chosen": chosen or next(iter(at_hand), None),
        "is_sent": chosen is not None and chosen["kind"] in SENT_KINDS,
        "message": shown.get("message", ""),
        "next_url": continue_url(sealed_request()),
    }
    return render_form_page("second_step", variables, target=sign_in.target if sign_in else "")


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


def is_strong(kind: str) -> bool:
    """Return whether a factor of this kind reaches AAL2."""
    return registry.is_strong(kind)


def parse_id(value: str) -> UUID | None:
    """Return the id in a hidden field, or None."""
    try:
        return UUID(value)
    except ValueError:
        return None
