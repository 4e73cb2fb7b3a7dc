"""The page of passkeys and second factors: set up, confirm, remove; recovery codes.

What is shown once (the secret of an app, recovery codes) is in the answer to a form, in no URL.
"""

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from flask import Response, request

from gatehouse.database.session import commits
from gatehouse.mfa import registry, reset
from gatehouse.mfa import service as mfa
from gatehouse.mfa.assurance_level import require_max_assurance_level
from gatehouse.mfa.forms import (
    FactorVerification,
    FactorVerificationForm,
    NewFactor,
    NewFactorForm,
)
from gatehouse.pages.account.guards import shows, submits
from gatehouse.pages.account.rendering import Variables, render_page
from gatehouse.pages.form_pages import FORM, create_blueprint, load_form
from gatehouse.pages.sign_in.second_step import FACTOR_NAMES, PASSKEY, name_of, to_image
from gatehouse.tokens.service import AccessToken
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from gatehouse.web.request_validation import accepts

factor_routes = create_blueprint("account_factors")


@factor_routes.get("/account/factors")
@commits
@shows("factors", require_max_assurance_level)
def show_factors(caller: AccessToken) -> Variables:
    """Show the factors, what can be set up, and a reset of all of them that is announced."""
    factors = [_describe(factor) for factor in mfa.list_factors(UUID(caller.sub))]
    kinds = registry.second_factor_kinds()
    return {
        "factors": factors,
        "kinds": [kind for kind in kinds if kind != PASSKEY],
        "names": FACTOR_NAMES,
        "has_passkeys": PASSKEY in kinds,
        "can_replace_codes": _can_replace_codes(factors),
        "reset": reset.find_for_user(UUID(caller.sub)),
        "new_factor": _read_new_factor(),
    }


@factor_routes.post("/auth/account/factors")
@accepts(FORM)
@rate_limit("factor")
@commits
@submits("factors", require_max_assurance_level)
def enrol_factor(caller: AccessToken) -> Response:
    """Begin to set up a factor: show its QR code, or send its first code."""
    form = cast(NewFactorForm, load_form(NewFactor))
    factor = mfa.enrol_factor(UUID(caller.sub), form, request_context())
    image = to_image(str(factor["qr_svg"])) if "qr_svg" in factor else ""
    return render_page("factors", caller, new_factor={**factor, "image": image})


@factor_routes.post("/auth/account/factors/<uuid:factor_id>/confirm")
@accepts(FORM)
@rate_limit("factor")
@commits
@submits("factors", require_max_assurance_level)
def confirm_factor(caller: AccessToken, factor_id: UUID) -> str | Response:
    """Confirm a factor with its first code; the other sessions end."""
    form = cast(FactorVerificationForm, load_form(FactorVerification))
    confirmed = mfa.confirm_factor(caller, factor_id, form.given.response, request_context())
    codes = confirmed.get("recovery_codes")
    return _show_codes(caller, cast(list[str], codes)) if codes else "factor-added"


@factor_routes.post("/auth/account/factors/<uuid:factor_id>/remove")
@accepts(FORM)
@commits
@submits("factors", require_max_assurance_level)
def remove_factor(caller: AccessToken, factor_id: UUID) -> str:
    """Remove a factor; the other sessions end."""
    mfa.remove_factor(caller, factor_id, request_context())
    return "factor-removed"


@factor_routes.post("/auth/account/factors/recovery-codes")
@accepts(FORM)
@rate_limit("factor")
@commits
@submits("factors", require_max_assurance_level)
def replace_recovery_codes(caller: AccessToken) -> Response:
    """Replace the recovery codes, and show the new ones once."""
    codes = mfa.replace_recovery_codes(UUID(caller.sub), request_context())
    return _show_codes(caller, codes)


@factor_routes.post("/auth/account/factors/reset/cancel")
@accepts(FORM)
@rate_limit("verify")
@commits
@submits("factors", require_max_assurance_level)
def cancel_reset(caller: AccessToken) -> str:
    """Cancel the announced reset of all factors."""
    reset.cancel_by_owner(UUID(caller.sub), request_context())
    return "reset-cancelled"


def _show_codes(caller: AccessToken, codes: list[str]) -> Response:
    return render_page("factors", caller, codes=codes, new_factor=None)


def _describe(factor: Mapping[str, object]) -> dict[str, object]:
    named = {"kind": str(factor["kind"]), "label": str(factor["label"])}
    return {**factor, "name": name_of(named)}


def _can_replace_codes(factors: list[dict[str, object]]) -> bool:
    is_enabled = registry.RECOVERY_CODES in registry.enabled_factors()
    return is_enabled and any(registry.is_second_factor(str(one["kind"])) for one in factors)


def _read_new_factor() -> Mapping[str, object] | None:
    """Return the factor whose code was wrong, so that the next one can be typed."""
    if not request.path.endswith("/confirm") or not request.view_args:
        return None
    kind, secret = request.form.get("kind", ""), request.form.get("secret", "")
    return {"id": request.view_args["factor_id"], "kind": kind, "secret": secret, "image": ""}
