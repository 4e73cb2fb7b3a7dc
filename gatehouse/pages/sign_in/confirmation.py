"""What a user confirms the identity for: an application that asks for it, or an account page."""

from dataclasses import dataclass
from uuid import UUID

from gatehouse.mfa import assurance_level, credential_store, registry
from gatehouse.oauth import authorization
from gatehouse.oauth.authorization import Page, Situation
from gatehouse.pages import security_headers
from gatehouse.pages.sign_in.state import SignIn, require_sign_in
from gatehouse.passwords import service as passwords
from gatehouse.sessions import assurance
from gatehouse.sessions.browser_caller import describe_caller
from gatehouse.sessions.errors import InsufficientUserAuthentication
from gatehouse.sessions.request_credentials import SessionRef
from models import Credential


@dataclass(frozen=True)
class Choices:
    """With what the user may authenticate now."""

    factors: list[Credential]
    has_password: bool
    is_step_up: bool
    """Whether a second factor is asked for."""


def read_purpose() -> SignIn | None:
    """Return the sign-in for an application; None if an account page asks for the confirmation.

    Raises:
        SignInExpired, UnknownClient: the application's request is not continued any more.
    """
    is_for_page = "page" in security_headers.continuation()
    return None if is_for_page else require_sign_in()


def find_missing_step(sign_in: SignIn | None, ref: SessionRef) -> Page | None:
    """Return what the user still has to do; None after pressing Back, for example."""
    if sign_in is None:
        return _find_step_of_account(ref)
    session = authorization.find_session(ref)
    return authorization.find_confirmation(Situation(sign_in.pending, sign_in.client, session))


def list_choices(sign_in: SignIn | None, ref: SessionRef) -> Choices:
    """Return with what the user may take the missing step.

    A session without a password reaches the highest level of an account with both: with its
    password first, and then a factor.
    """
    user_id = UUID(ref.sub)
    is_step_up = find_missing_step(sign_in, ref) is not Page.REAUTHENTICATION
    lacks_password = sign_in is None and not _has_used_password(ref)
    is_password_useful = not is_step_up or lacks_password
    return Choices(
        factors=_list_factors(user_id, strong_only=is_step_up),
        has_password=is_password_useful and passwords.get(user_id) is not None,
        is_step_up=is_step_up,
    )


def _find_step_of_account(ref: SessionRef) -> Page | None:
    caller = describe_caller(ref)
    try:
        assurance_level.check_max_assurance_level(caller)
    except InsufficientUserAuthentication:
        level = assurance_level.max_assurance_level(UUID(ref.sub))
        return Page.STEP_UP if level == assurance.AAL2 else Page.REAUTHENTICATION
    return None


def _has_used_password(ref: SessionRef) -> bool:
    return not {assurance.PASSWORD, assurance.MFA}.isdisjoint(describe_caller(ref).amr)


def _list_factors(user_id: UUID, *, strong_only: bool) -> list[Credential]:
    rows = credential_store.list_confirmed(user_id)
    enabled = [row for row in rows if row.kind in registry.enabled_factors()]
    return [row for row in enabled if registry.get_factor(row.kind).strong or not strong_only]
