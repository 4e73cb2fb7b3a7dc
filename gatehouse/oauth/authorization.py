"""What comes next in a pending authorization: a page for the user, an error, or the approval.

`STEPS` is the list of what must be so before a client gets a code; the first that is not names the
page that the user sees. Nothing here opens a session: the login steps do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select

import config
from gatehouse.core import clock
from gatehouse.database.session import db, write_transaction
from gatehouse.mfa import credential_store, registry
from gatehouse.oauth import consents, grant_lifecycle, scopes, subjects
from gatehouse.oauth.authorization_validation import (
    CONSENT,
    CREATE,
    LEVELS,
    LOGIN,
    NONE,
    SELECT_ACCOUNT,
)
from gatehouse.oauth.errors import (
    AccountSelectionRequired,
    ConsentRequired,
    InteractionRequired,
    LoginRequired,
    OAuthError,
    UnmetAuthenticationRequirements,
)
from gatehouse.oauth.grant_lifecycle import Approval
from gatehouse.oauth.sealed_request import PendingAuthorization
from gatehouse.sessions import assurance, live_session, step_up
from gatehouse.sessions.request_credentials import SessionRef
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext
from models import OAuthClient, Session


class Page(StrEnum):
    """The page that a user sees next."""

    REGISTRATION = "registration"
    LOGIN = "login"
    ACCOUNT_CHOICE = "account choice"
    REAUTHENTICATION = "reauthentication"
    STEP_UP = "step-up"
    CONSENT = "consent"


WITHOUT_PAGES: dict[Page, type[OAuthError]] = {
    Page.REGISTRATION: LoginRequired,
    Page.LOGIN: LoginRequired,
    Page.ACCOUNT_CHOICE: AccountSelectionRequired,
    Page.REAUTHENTICATION: LoginRequired,
    Page.STEP_UP: InteractionRequired,
    Page.CONSENT: ConsentRequired,
}
"""The errors of `prompt=none` (OpenID Connect Core section 3.1.2.6), and without hosted pages."""


@dataclass(frozen=True)
class Situation:
    """A pending authorization, and who is signed in in the browser."""

    pending: PendingAuthorization
    client: OAuthClient
    session: Session | None
    has_consented: bool = False
    """Whether the user has just consented, on the page of this request."""

    @property
    def is_fresh(self) -> bool:
        """Whether the user has signed in, or confirmed to be there, since the request."""
        started_at = self.pending.started_at
        return self.session is not None and self.session.authenticated_at >= started_at

    @property
    def prompts(self) -> Sequence[str]:
        """What the client wants the user to be asked."""
        return self.pending.request.prompts


def find_session(ref: SessionRef | None) -> Session | None:
    """Return the session of a browser if it is active."""
    if ref is None:
        return None
    session, now = db.session.get(Session, UUID(ref.sid)), clock.now()
    if session is None or session.ended_at or now >= min(session.idle_at, session.expires_at):
        return None
    return session


# The steps


def offer_registration(situation: Situation) -> Page | None:
    """Show the registration first, if the client wants a new account (Initiating User Reg. 1.0)."""
    return Page.REGISTRATION if CREATE in situation.prompts and not situation.is_fresh else None


def require_session(situation: Situation) -> Page | None:
    """Require that a user is signed in."""
    return Page.LOGIN if situation.session is None else None


def require_choice(situation: Situation) -> Page | None:
    """Require that the user has chosen the account, if the client wants that."""
    session, chosen = situation.session, situation.pending.chosen_user
    if SELECT_ACCOUNT not in situation.prompts or situation.is_fresh or session is None:
        return None
    return None if chosen == str(session.user_id) else Page.ACCOUNT_CHOICE


def require_expected_user(situation: Situation) -> Page | None:
    """Require the user that the client has named: another one may sign in instead, once.

    Raises:
        LoginRequired: another user has signed in, though the client named another user.
    """
    expected, session = situation.pending.request.subjects, situation.session
    if not expected or session is None:
        return None
    if subjects.find_subject(situation.client, session.user_id) in expected:
        return None
    if situation.is_fresh:
        raise LoginRequired
    return Page.LOGIN


def renew_second_factor(situation: Situation) -> Page | None:
    """Require the second factor again where it is too old and the policy demands one.

    A refresh of our own tokens would end such a session (see `sessions.refresh_exceptions`).
    """
    session = situation.session
    if session is None or not step_up.has_lapsed(session, clock.now()):
        return None
    if not assurance.is_mfa_required(users.get_profile(session.user_id)["roles"]):
        return None
    return Page.STEP_UP if can_step_up(session.user_id) else Page.LOGIN


def require_recent_authentication(situation: Situation) -> Page | None:
    """Require that the user has signed in since the request, or within `max_age`."""
    max_age, session = situation.pending.request.max_age, situation.session
    if situation.is_fresh or session is None:
        return None
    if LOGIN in situation.prompts:
        return Page.REAUTHENTICATION
    is_old = max_age is not None and clock.now() - session.authenticated_at > timedelta(
        seconds=max_age
    )
    return Page.REAUTHENTICATION if is_old else None


def require_level(situation: Situation) -> Page | None:
    """Require the assurance level; one that is only preferred is left out where it cannot be.

    Raises:
        UnmetAuthenticationRequirements: it is essential, and the user cannot reach it.
    """
    request, session = situation.pending.request, situation.session
    if session is None or not request.acr or request.acr == assurance.AAL1:
        return None
    if request.acr in LEVELS and step_up.is_aal2(session, clock.now()):
        return None
    if request.acr in LEVELS and can_step_up(session.user_id):
        is_wanted = request.is_acr_essential or NONE not in situation.prompts
        return Page.STEP_UP if is_wanted else None
    if request.is_acr_essential:
        raise UnmetAuthenticationRequirements
    return None


def require_consent(situation: Situation) -> Page | None:
    """Require that the user has allowed the client what it asks for."""
    request, session = situation.pending.request, situation.session
    if session is None or situation.has_consented:
        return None
    asked = CONSENT in situation.prompts or consents.is_required(
        situation.client, session.user_id, request.scopes, request.resources
    )
    return Page.CONSENT if asked else None


STEPS: tuple[Callable[[Situation], Page | None], ...] = (
    offer_registration,
    require_session,
    require_choice,
    require_expected_user,
    renew_second_factor,
    require_recent_authentication,
    require_level,
    require_consent,
)


CONFIRMATIONS = (renew_second_factor, require_recent_authentication, require_level)
"""The steps for which a user who is signed in authenticates again."""


def find_confirmation(situation: Situation) -> Page | None:
    """Return why the user has to authenticate again, or None.

    Raises:
        UnmetAuthenticationRequirements: see `require_level`.
    """
    return next((page for step in CONFIRMATIONS if (page := step(situation))), None)


def decide(situation: Situation) -> Page | None:
    """Return the page that comes next, or None if the client may get its code.

    Raises:
        OAuthError: the client gets this error instead.
    """
    page = next((page for step in STEPS if (page := step(situation))), None)
    if page and (NONE in situation.prompts or not config.settings().pages):
        raise WITHOUT_PAGES[page]
    return page


def approve(situation: Situation, ref: SessionRef, context: RequestContext) -> str:
    """Create the grant and return its authorization code; remember a consent that was just given.

    Raises:
        SessionEnded: the session has ended meanwhile.
    """
    request, client = situation.pending.request, situation.client
    with write_transaction():
        live_session.lock_live_session(ref)
        session = db.session.scalars(select(Session).where(Session.id == UUID(ref.sid))).one()
        if step_up.has_lapsed(session, clock.now()):
            step_up.downgrade(session)
        if situation.has_consented:
            consents.remember(client, session.user_id, request.scopes, request.resources)
        approval = Approval(
            client=client,
            session=session,
            subject=subjects.provide_subject(client, session.user_id),
            scopes=request.scopes,
            resources=request.resources,
            request=_bound_values(situation),
            offline=scopes.OFFLINE_ACCESS in request.scopes,
        )
        return grant_lifecycle.create_grant(approval, context.authenticated_as(session.user_id))


def can_step_up(user_id: UUID) -> bool:
    """Return whether a user has a second factor that reaches AAL2."""
    confirmed = credential_store.list_confirmed(user_id)
    return any(registry.is_strong(row.kind) for row in confirmed)


def _bound_values(situation: Situation) -> dict[str, object]:
    """Return what the code is bound to, and what the ID token repeats."""
    request = situation.pending.request
    values: dict[str, object] = {
        "redirect_uri": request.redirect_uri if request.is_redirect_uri_given else None,
        "code_challenge": request.code_challenge or None,
        "nonce": request.nonce or None,
        "claims": request.claims,
        "max_age": request.max_age,
        "acr": request.acr or None,
    }
    return {name: value for name, value in values.items() if value is not None}
