"""Catalogue of audit events: every event name, its outcome and its meaning."""

from collections.abc import Iterator

from gatehouse.audit import administration_events, federation_events, oauth_events
from gatehouse.audit.event import Event
from gatehouse.audit.event import failure as _failure
from gatehouse.audit.event import success as _success


class Registration:
    """Sign-up with e-mail verification."""

    REQUESTED = _success("registration.requested", "A registration was requested.")
    EMAIL_TAKEN = _failure(
        "registration.email_taken", "A registration was requested for a registered e-mail address."
    )
    MAIL_SUPPRESSED = _failure(
        "registration.mail_suppressed",
        "No verification mail was sent: three were requested within an hour.",
    )
    VERIFIED = _success("registration.verified", "The e-mail was verified, the account created.")
    RESENT = _success("registration.resent", "The verification mail was sent again.")
    NOTHING_PENDING = _failure(
        "registration.nothing_pending",
        "A verification mail was requested again, but no registration is pending.",
    )
    VERIFICATION_FAILED = _failure(
        "registration.verification_failed", "The verification code or link was wrong or expired."
    )


class Invitation:
    """Invitations by an administrator."""

    SENT = _success("invitation.sent", "A user was invited, optionally with a role.")
    REMINDED = _success("invitation.reminded", "A reminder was sent before the invitation ends.")
    ACCEPTED = _success("invitation.accepted", "An invitation was accepted and a password set.")
    FAILED = _failure("invitation.failed", "The invitation link was wrong or expired.")


class Login:
    """Logins and the lockout."""

    SUCCEEDED = _success("login.succeeded", "A user logged in; a session was created.")
    FAILED = _failure("login.failed", "The identifier or the password was wrong.")
    REFUSED = _failure("login.refused", "The password was right, but the account may not log in.")
    THROTTLED = _failure(
        "login.throttled", "A device or network must wait after repeated failed attempts."
    )
    ACCOUNT_LOCKED = _failure(
        "account.locked", "The account was locked for unknown devices after 100 failed attempts."
    )
    LINK_SENT = _success("login.link_sent", "A login link or code was sent.")
    LINK_SUPPRESSED = _failure(
        "login.link_suppressed",
        "No login link or code was sent: the recipient is unknown or reached the hourly limit.",
    )
    DEVICE_FORGOTTEN = _failure(
        "login.device_forgotten", "A known device became unknown after 100 failed attempts."
    )
    ACCOUNT_UNLOCKED = _success(
        "account.unlocked", "The failed attempts of an account were reset, and any lock removed."
    )


class Passkey:
    """Rejected passkey responses."""

    REFUSED = _failure("passkey.refused", "A passkey response was invalid; see details.reason.")
    CLONE_SUSPECTED = _failure(
        "passkey.clone_suspected",
        "A passkey was rejected: its signature counter did not increase, so it may be cloned.",
    )


class Risk:
    """Risk assessment of logins."""

    ASSESSED = _success(
        "risk.assessed", "The risk of a login was assessed; see details.findings and .decision."
    )
    REFUSED = _failure("risk.refused", "A valid login was rejected by the risk policy.")
    CREDENTIAL_STUFFING_DETECTED = _failure(
        "risk.credential_stuffing_detected",
        "Credential stuffing: passwords are being tried on many accounts.",
    )


class Session:
    """Sessions and their refresh tokens."""

    REFRESHED = _success("session.refreshed", "A refresh token was rotated.")
    REFRESH_REPLAYED = _success(
        "session.refresh_replayed", "A used refresh token was sent within the reuse interval."
    )
    REFRESH_REPLACED = _success("session.refresh_replaced", "An unused token was replaced.")
    REFRESH_REUSED = _failure(
        "session.refresh_reused",
        "A used refresh token was sent after the reuse interval; the session was ended as stolen.",
    )
    CSRF_FAILED = _failure("session.csrf_failed", "A write with cookies failed CSRF protection.")
    ENDED = _success("session.ended", "A session ended; see details.reason.")
    LOCATION_CHANGED = _success(
        "session.location_changed",
        "A session continued from another network, country or browser; see details.findings.",
    )
    DOWNGRADED = _success(
        "session.downgraded", "The risk policy downgraded a session to AAL1 after such a change."
    )
    REFUSED = _failure("session.refused", "The risk policy ended a session after such a change.")


class Token:
    """Rejected tokens."""

    REFUSED = _failure("token.refused", "A refresh token was rejected; see details.code.")


class Account:
    """Changes of an account."""

    OWNERSHIP_VERIFIED = _success(
        "account.ownership_verified",
        "An unverified e-mail address was verified; data set before by others was removed.",
    )
    PROFILE_CHANGED = _success("account.profile_changed", "A user changed their profile.")
    RESTORATION_FAILED = _failure(
        "account.restoration_failed", "The link that restores a deleted account did not work."
    )
    PASSWORD_CHANGED = _success("account.password_changed", "A user changed their password.")
    PASSWORD_CHANGE_FAILED = _failure(
        "account.password_change_failed", "The current password was wrong."
    )
    PASSWORD_COMPROMISED = _success(
        "account.password_compromised", "A password was marked as compromised; it is rejected now."
    )
    PASSWORD_UPGRADED = _success(
        "account.password_upgraded", "A password was rehashed with the current cost and pepper."
    )


class Delivery:
    """Message delivery; recipients are not recorded."""

    ABANDONED = _failure("delivery.abandoned", "A message was not delivered; no more retries.")


class Sms:
    """SMS budgets."""

    SUPPRESSED = _failure(
        "sms.suppressed", "An SMS was not sent: a budget is used up, or its prefix is paused."
    )
    PREFIX_PAUSED = _failure(
        "sms.prefix_paused",
        "A number prefix was paused: too few of the codes sent to it were entered.",
    )


class PasswordReset:
    """Password reset."""

    REQUESTED = _success("password_reset.requested", "A password reset code was sent.")
    UNKNOWN_ACCOUNT = _failure(
        "password_reset.unknown_account",
        "A password reset was requested for an unknown or unverified address or number.",
    )
    SUPPRESSED = _failure(
        "password_reset.suppressed",
        "No reset code was sent: three were requested within an hour.",
    )
    COMPLETED = _success("password_reset.completed", "A password was reset with a code or link.")
    FAILED = _failure("password_reset.failed", "The reset code or link was wrong or expired.")


class Identifier:
    """Changes of e-mail addresses and phone numbers."""

    EMAIL_CHANGE_REQUESTED = _success(
        "email.change_requested", "A user requested a change of e-mail address."
    )
    EMAIL_TAKEN = _failure("email.taken", "A user requested an e-mail address that is taken.")
    EMAIL_CHANGE_SUPPRESSED = _failure(
        "email.change_suppressed",
        "No mail was sent: three were requested for it within an hour.",
    )
    EMAIL_CHANGED = _success("email.changed", "A new e-mail address was verified and replaced it.")
    EMAIL_CHANGE_REVERTED = _success(
        "email.change_reverted", "A change of e-mail address was reverted from the old address."
    )
    EMAIL_REVERT_FAILED = _failure("email.revert_failed", "The revert link was wrong or expired.")
    PHONE_VERIFICATION_REQUESTED = _success(
        "phone.verification_requested", "A user requested an SMS code to verify a phone number."
    )
    PHONE_TAKEN = _failure("phone.taken", "A user asked for a phone number that is taken.")
    PHONE_VERIFIED = _success("phone.verified", "A phone number was verified and set.")
    PHONE_VERIFICATION_FAILED = _failure(
        "phone.verification_failed", "The SMS code was wrong or expired."
    )
    PHONE_REMOVED = _success("phone.removed", "A user removed their phone number.")


class Notification:
    """Notifications of account owners."""

    SUPPRESSED = _failure("notification.suppressed", "A notification exceeded its hourly limit.")


class Factor:
    """Second factors, trusted devices, and MFA recovery."""

    ENROLMENT_STARTED = _success("factor.enrolment_started", "A user began to enrol a factor.")
    CONFIRMED = _success("factor.confirmed", "A factor was confirmed and is active.")
    REMOVED = _success("factor.removed", "A user removed a factor.")
    RECOVERY_CODES_REPLACED = _success(
        "factor.recovery_codes_replaced", "A user generated new recovery codes."
    )
    REQUIRED = _success("factor.required", "A login required a second factor.")
    CODE_SENT = _success("factor.code_sent", "A factor's code was sent by e-mail or SMS.")
    CODE_SUPPRESSED = _failure(
        "factor.code_suppressed", "A code was not sent: its hourly limit was reached."
    )
    FAILED = _failure("factor.failed", "The response to a second factor was wrong or expired.")
    STEPPED_UP = _success("factor.stepped_up", "A user authenticated again within a session.")
    DEVICE_TRUSTED = _success("factor.device_trusted", "A device needs no factor for 30 days.")
    GRACE_EXTENDED = _success(
        "factor.grace_extended", "An operator extended a user's grace period for MFA enrolment."
    )
    RESET_SCHEDULED = _success(
        "factor.reset_scheduled", "An operator scheduled the removal of all factors of a user."
    )
    MFA_RECOVERY_CODE_SENT = _success(
        "mfa_recovery.code_sent", "A code was sent to a user who reported a lost factor."
    )
    MFA_RECOVERY_CODE_SUPPRESSED = _failure(
        "mfa_recovery.code_suppressed",
        "No code was sent: unknown user, no factors, address or number too new, or hourly limit.",
    )
    MFA_RECOVERY_FAILED = _failure(
        "mfa_recovery.failed", "The authentication for MFA recovery was wrong or not sufficient."
    )
    MFA_RECOVERY_CONFIRMED = _success(
        "mfa_recovery.confirmed", "A user scheduled the removal of all their factors."
    )
    RESET_ABORTED = _failure(
        "factor.reset_aborted", "A scheduled removal of factors was aborted; see details.reason."
    )
    RESET = _success("factor.reset", "All factors of a user were removed as scheduled.")
    RESET_CANCELLED = _success(
        "factor.reset_cancelled", "A user cancelled the scheduled removal of their factors."
    )
    RESET_CANCEL_FAILED = _failure(
        "factor.reset_cancel_failed", "The link to cancel a removal was wrong or expired."
    )
    DEVICE_TRUST_REVOKED = _success("factor.device_trust_revoked", "A user revoked device trust.")


class SigningKey:
    """Operators' work on keys."""

    CREATED = _success("key.created", "A signing key was created and published; not yet in use.")
    ACTIVATED = _success("key.activated", "A signing key became active.")
    REVOKED = _success("key.revoked", "A signing key was revoked; its tokens are invalid.")
    REPLACED = _success("key.all_replaced", "All keys were revoked and new ones created.")
    REENCRYPTED = _success("secrets.reencrypted", "Stored secrets were re-encrypted.")


GROUPS = (
    Registration,
    Invitation,
    Login,
    Passkey,
    Risk,
    Session,
    Token,
    *administration_events.GROUPS,
    *oauth_events.GROUPS,
    *federation_events.GROUPS,
    Account,
    Factor,
    PasswordReset,
    Identifier,
    Notification,
    Delivery,
    Sms,
    SigningKey,
)


def all_events() -> Iterator[Event]:
    """Yield all events in the order of the catalogue."""
    for group in GROUPS:
        yield from (value for value in vars(group).values() if isinstance(value, Event))
