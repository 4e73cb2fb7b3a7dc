"""A user's own security history: audit events in plain words, in the user's language.

Which addresses other accounts have stays hidden: a request for one that is taken reads like any
other (`SHOWN_AS`).
"""

from dataclasses import dataclass
from uuid import UUID

from gatehouse.audit import search as audit
from gatehouse.audit.administration_events import Administration, Authorization, Impersonation
from gatehouse.audit.event import Event
from gatehouse.audit.events import (
    Account,
    Factor,
    Identifier,
    Invitation,
    Login,
    Passkey,
    PasswordReset,
    Registration,
    Risk,
    Session,
)
from gatehouse.audit.federation_events import Federation
from gatehouse.audit.oauth_events import OAuth
from gatehouse.core.i18n import Language, choose_language, gettext_noop
from gatehouse.database.pages import Position
from gatehouse.users import service as users
from gatehouse.web.request_context import (
    ANONYMOUS,
    IMPERSONATOR,
    OPERATOR,
    SERVICE_ACCOUNT,
    SYSTEM,
    USER,
    RequestContext,
)
from gatehouse.web.user_agent import device_name
from models import AuditEvent

SHOWN_AS: dict[Event, Event] = {
    Identifier.EMAIL_TAKEN: Identifier.EMAIL_CHANGE_REQUESTED,
    Identifier.EMAIL_CHANGE_SUPPRESSED: Identifier.EMAIL_CHANGE_REQUESTED,
    Identifier.PHONE_TAKEN: Identifier.PHONE_VERIFICATION_REQUESTED,
}
"""Events that would disclose something about other accounts, and what the user sees instead."""

SENTENCES: dict[Event, str] = {
    Registration.VERIFIED: gettext_noop("Your account was created."),
    Registration.EMAIL_TAKEN: gettext_noop(
        "A new account with your e-mail address was requested; nothing was changed."
    ),
    Invitation.SENT: gettext_noop("You were invited."),
    Invitation.ACCEPTED: gettext_noop("You accepted the invitation and chose a password."),
    Login.SUCCEEDED: gettext_noop("You signed in."),
    Login.FAILED: gettext_noop("A sign-in failed: the password was wrong."),
    Federation.REGISTERED: gettext_noop(
        "Your account was created when you first signed in with a provider."
    ),
    Federation.REFUSED: gettext_noop("An account of a provider could not be used to sign in."),
    Federation.LINKED: gettext_noop(
        "An account of a provider was linked, so that you can sign in with it."
    ),
    Federation.UNLINKED: gettext_noop("An account of a provider was unlinked."),
    Login.REFUSED: gettext_noop("A sign-in with the right password was rejected."),
    Login.THROTTLED: gettext_noop(
        "After several failed sign-ins, a device or network has to wait before it can try again."
    ),
    Login.ACCOUNT_LOCKED: gettext_noop(
        "After many failed sign-ins, unknown devices were locked out of your account."
    ),
    Login.ACCOUNT_UNLOCKED: gettext_noop("Your account was unlocked."),
    Login.LINK_SENT: gettext_noop("A link or code to sign in was sent to you."),
    Login.DEVICE_FORGOTTEN: gettext_noop(
        "After many failed sign-ins on one of your devices, it is treated like a new device."
    ),
    Passkey.REFUSED: gettext_noop("A passkey was rejected."),
    Passkey.CLONE_SUSPECTED: gettext_noop("A passkey was rejected, because it may be a copy."),
    Risk.REFUSED: gettext_noop(
        "A sign-in with the right password was rejected, because it was too different "
        "from your usual sign-ins."
    ),
    Session.ENDED: gettext_noop("You were signed out on a device."),
    Session.REFRESH_REUSED: gettext_noop(
        "You were signed out on a device, because your session there may have been stolen."
    ),
    Session.LOCATION_CHANGED: gettext_noop(
        "One of your sessions was used from another network or place, or with another program."
    ),
    Session.DOWNGRADED: gettext_noop(
        "One of your sessions was used from another place or with another program, so it "
        "needs your second factor again."
    ),
    Session.REFUSED: gettext_noop(
        "One of your sessions was used from another place or with another program, so it was ended."
    ),
    OAuth.AUTHORIZED: gettext_noop("You signed in to an application."),
    OAuth.GRANT_ENDED: gettext_noop("The access of an application to your account ended."),
    OAuth.ACCESS_REVOKED: gettext_noop("The access of an application was revoked."),
    OAuth.CODE_REUSED: gettext_noop(
        "An application lost its access to your account, because a sign-in may have been copied."
    ),
    OAuth.REDEEMED: gettext_noop("An application got access to your account."),
    OAuth.REFRESHED: gettext_noop("An application renewed its access to your account."),
    OAuth.TOKEN_REUSED: gettext_noop(
        "An application lost its access to your account, because its token may have been copied."
    ),
    Authorization.ROLE_ASSIGNED: gettext_noop("You were given a role."),
    Authorization.ROLE_UNASSIGNED: gettext_noop("One of your roles was removed."),
    Account.OWNERSHIP_VERIFIED: gettext_noop(
        "You confirmed your e-mail address. Everything that other people had set up in "
        "this account before was removed."
    ),
    Account.PROFILE_CHANGED: gettext_noop("Your profile was changed."),
    Account.PASSWORD_CHANGED: gettext_noop("Your password was changed."),
    Account.PASSWORD_CHANGE_FAILED: gettext_noop(
        "Your password was not changed: the current password was wrong."
    ),
    Account.PASSWORD_COMPROMISED: gettext_noop(
        "Your password was blocked, because it is known from a data breach."
    ),
    Administration.CREATED: gettext_noop("An account was created for you."),
    Administration.UPDATED: gettext_noop("Your account was changed by an administrator."),
    Administration.DISABLED: gettext_noop("Your account was disabled."),
    Administration.ENABLED: gettext_noop("Your account was enabled again."),
    Administration.EMAIL_VERIFIED: gettext_noop(
        "Your e-mail address was confirmed by an administrator."
    ),
    Administration.PASSWORD_RESET: gettext_noop("You were asked to choose a new password."),
    Administration.SESSIONS_ENDED: gettext_noop("You were signed out by an administrator."),
    Administration.DELETED: gettext_noop("Your account was deleted."),
    Administration.RESTORED: gettext_noop("Your account was restored."),
    Impersonation.STARTED: gettext_noop("An administrator began to use your account."),
    Impersonation.REFUSED: gettext_noop(
        "An administrator who was using your account tried to do something that only you "
        "may do. The attempt was rejected."
    ),
    PasswordReset.REQUESTED: gettext_noop("A code to reset your password was sent to you."),
    PasswordReset.COMPLETED: gettext_noop("Your password was reset."),
    PasswordReset.FAILED: gettext_noop(
        "Your password was not reset: the code or link was wrong or no longer valid."
    ),
    Identifier.EMAIL_CHANGE_REQUESTED: gettext_noop(
        "A change of your e-mail address was requested."
    ),
    Identifier.EMAIL_CHANGED: gettext_noop("Your e-mail address was changed."),
    Identifier.EMAIL_CHANGE_REVERTED: gettext_noop("The change of your e-mail address was undone."),
    Identifier.PHONE_VERIFICATION_REQUESTED: gettext_noop(
        "A code was sent to a new phone number for your account."
    ),
    Identifier.PHONE_VERIFIED: gettext_noop("A phone number was added to your account."),
    Identifier.PHONE_VERIFICATION_FAILED: gettext_noop(
        "A phone number was not added: the code was wrong or no longer valid."
    ),
    Identifier.PHONE_REMOVED: gettext_noop("Your phone number was removed."),
    Factor.CONFIRMED: gettext_noop("A second factor was added."),
    Factor.REMOVED: gettext_noop("A second factor was removed."),
    Factor.RECOVERY_CODES_REPLACED: gettext_noop("New recovery codes were created."),
    Factor.REQUIRED: gettext_noop(
        "The first step of a sign-in succeeded; your second factor was asked for."
    ),
    Factor.CODE_SENT: gettext_noop("A code was sent to you as a second factor."),
    Factor.FAILED: gettext_noop(
        "A second factor was rejected: the code or passkey was wrong, or it came too late."
    ),
    Factor.STEPPED_UP: gettext_noop("You confirmed again that it is you."),
    Factor.DEVICE_TRUSTED: gettext_noop("A device needs no second factor for 30 days."),
    Factor.DEVICE_TRUST_REVOKED: gettext_noop("A device needs your second factor again."),
    Factor.GRACE_EXTENDED: gettext_noop(
        "The operator of the service gave you more time to set up a second factor."
    ),
    Factor.RESET_SCHEDULED: gettext_noop("The removal of your second factors was scheduled."),
    Factor.MFA_RECOVERY_CODE_SENT: gettext_noop(
        "A code to remove your second factors was sent to you."
    ),
    Factor.MFA_RECOVERY_FAILED: gettext_noop(
        "A request to remove your second factors was rejected, because it was not certain "
        "that it came from you."
    ),
    Factor.MFA_RECOVERY_CONFIRMED: gettext_noop(
        "You asked for the removal of your second factors."
    ),
    Factor.RESET_ABORTED: gettext_noop(
        "The service stopped the removal of your second factors, because your account was "
        "used or changed after the request."
    ),
    Factor.RESET_CANCELLED: gettext_noop("You cancelled the removal of your second factors."),
    Factor.RESET: gettext_noop("All your second factors were removed."),
}
"""What the user reads; events without a sentence are internal and are not shown."""

NAMES_SHOWN = {event.name for event in (*SENTENCES, *SHOWN_AS)}
SHOWN_BY_NAME = {event.name: SHOWN_AS.get(event, event) for event in (*SENTENCES, *SHOWN_AS)}
YOU, ADMINISTRATOR, UNKNOWN = "you", "administrator", "unknown"
OTHER_ACTORS = {
    IMPERSONATOR: ADMINISTRATOR,
    SERVICE_ACCOUNT: "program",
    OPERATOR: "operator",
    SYSTEM: "service",
    ANONYMOUS: UNKNOWN,
}
ACTOR_NAMES = (YOU, *dict.fromkeys(OTHER_ACTORS.values()))


@dataclass(frozen=True)
class HistoryPage:
    """A page of the history, and where the next one begins."""

    items: list[dict[str, object]]
    following: Position | None


def list_history(
    user_id: UUID, context: RequestContext, limit: int, after: Position | None = None
) -> HistoryPage:
    """Return a page of the events that a user may see, the newest first, in the user's language.

    Raises:
        AccountDeleted: the account was deleted, but its tokens have not expired.
    """
    locale = users.get_profile(user_id)["locale"]
    language = choose_language(locale, context.accept_language)
    events, following = audit.list_events_of_user(user_id, limit, after, NAMES_SHOWN)
    return HistoryPage([_describe(event, language) for event in events], following)


def get_public_name(name: str) -> str:
    """Return the name under which the user sees an event."""
    return SHOWN_BY_NAME[name].name if name in SHOWN_BY_NAME else name


def get_public_outcome(event: AuditEvent) -> str:
    """Return the outcome under which the user sees an event."""
    return SHOWN_BY_NAME[event.name].outcome if event.name in SHOWN_BY_NAME else event.outcome


def _describe(event: AuditEvent, language: Language) -> dict[str, object]:
    actor = _describe_actor(event)
    client = actor in (YOU, UNKNOWN)  # the address of others stays theirs
    return {
        "id": event.id,
        "at": event.at,
        "event": get_public_name(event.name),
        "text": language.gettext(SENTENCES[SHOWN_BY_NAME[event.name]]),
        "by": actor,
        "ip_address": (event.ip_address or None) if client else None,
        "device": language.format_device(device_name(event.user_agent)) if client else None,
    }


def _describe_actor(event: AuditEvent) -> str:
    """Return who acted, one of ACTOR_NAMES."""
    if event.actor_kind == USER:
        return YOU if event.actor_id == event.user_id else ADMINISTRATOR
    return OTHER_ACTORS.get(event.actor_kind or ANONYMOUS, UNKNOWN)
