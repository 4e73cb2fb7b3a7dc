"""The catalogue of events: every name that can stand in the audit log, and what it means."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """A kind of event: its stable name, `success` or `failure`, and one sentence."""

    name: str
    outcome: str
    sentence: str


def _success(name: str, sentence: str) -> Event:
    return Event(name, "success", sentence)


def _failure(name: str, sentence: str) -> Event:
    return Event(name, "failure", sentence)


class Registration:
    """From asking for an account to having one."""

    REQUESTED = _success("registration.requested", "Somebody asked for an account.")
    ADDRESS_KNOWN = _failure(
        "registration.address_known", "Somebody asked for an account at an address that has one."
    )
    MAIL_WITHHELD = _failure(
        "registration.mail_withheld", "An address got no more mail: three went there this hour."
    )
    VERIFIED = _success("registration.verified", "An address was proved; the account exists now.")
    RESENT = _success("registration.resent", "A registration got its mail once more.")
    IDLE = _failure(
        "registration.idle", "Somebody asked for a mail again where nothing waits to be proved."
    )
    PROOF_FAILED = _failure("registration.proof_failed", "A wrong or stale code or link was given.")


class Invitation:
    """An administrator lets somebody in."""

    SENT = _success("invitation.sent", "Somebody was invited, perhaps with a role.")
    ACCEPTED = _success("invitation.accepted", "An invitation was accepted with a password.")
    FAILED = _failure("invitation.failed", "A wrong or stale invitation was presented.")


class Login:
    """Somebody proves who they are."""

    SUCCEEDED = _success("login.succeeded", "A person signed in; a session was opened.")
    FAILED = _failure("login.failed", "The identifier or the password was wrong.")
    REFUSED = _failure("login.refused", "The password was right, but the account may not sign in.")
    THROTTLED = _failure(
        "login.throttled", "After wrong passwords in a row a device or a network has to wait."
    )
    CLOSED = _failure(
        "login.closed", "After 100 wrong passwords strangers' devices may no longer try passwords."
    )
    LINK_SENT = _success("login.link_sent", "A person asked for a link or a code to sign in with.")
    LINK_WITHHELD = _failure(
        "login.link_withheld", "Nobody has the address, or it got enough messages this hour."
    )
    DEVICE_FORGOTTEN = _failure(
        "login.device_forgotten", "After 100 wrong passwords a known device is a stranger's again."
    )
    REOPENED = _success(
        "login.reopened", "The counters of wrong passwords of an account were cleared."
    )


class Passkey:
    """Answers of passkeys that were not accepted."""

    REFUSED = _failure(
        "passkey.refused", "A passkey did not answer what was asked; details say why."
    )
    COUNTER_FELL = _failure(
        "passkey.counter_fell",
        "A passkey was refused: it has counted no further, so perhaps somebody has a copy of it.",
    )


class Risk:
    """What stood out about a login, and what was decided."""

    JUDGED = _success(
        "risk.judged", "A login was weighed; the details say what stood out and was decided."
    )
    REFUSED = _failure("risk.refused", "A right login was refused, because the policy says so.")
    GUARD_RAISED = _failure(
        "risk.guard_raised", "Passwords are being tried on many accounts: credential stuffing."
    )


class Session:
    """What becomes of a session."""

    REFRESHED = _success("session.refreshed", "A refresh token was exchanged for its child.")
    REPEATED = _success("session.repeated", "A used refresh token came again within the grace.")
    REUSED = _failure("session.reused", "A used refresh token came again too late: theft.")
    CSRF_FAILED = _failure(
        "session.csrf_failed", "A write with a session's cookies was perhaps not its owner's wish."
    )
    ENDED = _success("session.ended", "A session was ended; the details say why.")
    MOVED = _success(
        "session.moved", "A session went on from elsewhere; the details say what stood out."
    )
    LOWERED = _success(
        "session.lowered",
        "A session that went on from elsewhere fell back to AAL1, because the policy says so.",
    )
    REFUSED = _failure(
        "session.refused",
        "A session ended when it was to go on from elsewhere, because the policy says so.",
    )


class Token:
    """Tokens that are refused."""

    REFUSED = _failure("token.refused", "A refresh token was refused.")


class Account:
    """Changes of an account."""

    CLAIMED = _success(
        "account.claimed",
        "An address that nobody had proved was proved: what others had set in the account is gone.",
    )
    PROFILE_CHANGED = _success("account.profile_changed", "A person changed their profile.")
    PASSWORD_CHANGED = _success("account.password_changed", "A person changed their password.")
    PASSWORD_CHANGE_FAILED = _failure(
        "account.password_change_failed", "The current password was wrong."
    )
    PASSWORD_FLAGGED = _success(
        "account.password_flagged", "A password was flagged as known to others; it opens nothing."
    )
    PASSWORD_UPGRADED = _success(
        "account.password_upgraded", "A password was hashed anew, with today's cost and pepper."
    )


class Delivery:
    """What becomes of messages; their recipients are not named here."""

    GIVEN_UP = _failure(
        "delivery.given_up", "A message was not delivered, and will not be tried again."
    )


class Text:
    """What is texted, and what that may cost."""

    WITHHELD = _failure(
        "text.withheld", "A text was not sent: a budget is spent, or its prefix is paused."
    )
    PREFIX_PAUSED = _failure(
        "text.prefix_paused",
        "Too few of the codes that were texted to numbers of a prefix came back: it is paused.",
    )


class Recovery:
    """A password was forgotten."""

    REQUESTED = _success("recovery.requested", "A code to choose a new password was sent.")
    UNKNOWN = _failure(
        "recovery.unknown", "Nobody has proved the address or number that a reset was asked for."
    )
    WITHHELD = _failure(
        "recovery.withheld", "An address or number got no more codes: three went there this hour."
    )
    COMPLETED = _success("recovery.completed", "A person chose a new password with a code or link.")
    FAILED = _failure("recovery.failed", "A wrong or stale code or link of a reset was given.")


class Address:
    """An account gets another address or number."""

    EMAIL_ASKED = _success("email.change_asked", "A person asked for another e-mail address.")
    EMAIL_TAKEN = _failure("email.taken", "A person asked for an e-mail address that is not free.")
    EMAIL_WITHHELD = _failure(
        "email.change_withheld", "A new address got no more mail: three went there this hour."
    )
    EMAIL_CHANGED = _success(
        "email.changed", "A new e-mail address was proved; it is the account's."
    )
    EMAIL_UNDONE = _success("email.undone", "An old address took its account back.")
    EMAIL_UNDO_FAILED = _failure("email.undo_failed", "A wrong or stale link of an undo was given.")
    PHONE_ASKED = _success("phone.asked", "A person asked for a code by text message.")
    PHONE_TAKEN = _failure("phone.taken", "A person asked for a number that somebody else proved.")
    PHONE_PROVED = _success("phone.proved", "A phone number was proved; it is the account's.")
    PHONE_PROOF_FAILED = _failure("phone.proof_failed", "A wrong or stale texted code was given.")
    PHONE_REMOVED = _success("phone.removed", "A person took their phone number away.")


class Notice:
    """What owners are told."""

    WITHHELD = _failure(
        "notice.withheld", "An address got no more notices of a kind: it had enough this hour."
    )


class Factor:
    """Second factors: what becomes of them, and what they prove."""

    ENROLLED = _success("factor.enrolled", "A person began to set a factor up; it does not count.")
    CONFIRMED = _success("factor.confirmed", "A person has a new factor; it counts from here.")
    REMOVED = _success("factor.removed", "A person removed a factor.")
    CODES_REPLACED = _success("factor.codes_replaced", "A person got new recovery codes.")
    ASKED = _success("factor.asked", "After the first step of a login a second factor was wanted.")
    CODE_SENT = _success("factor.code_sent", "A code was mailed or texted, to prove a factor.")
    CODE_WITHHELD = _failure(
        "factor.code_withheld", "A code was asked for more often than is sent in an hour."
    )
    FAILED = _failure("factor.failed", "A wrong or stale proof of a second factor was given.")
    STEPPED_UP = _success("factor.stepped_up", "A person proved anew who they are, in a session.")
    DEVICE_REMEMBERED = _success(
        "factor.device_remembered", "On a device no second factor is asked for thirty days."
    )
    GRACE_RENEWED = _success(
        "factor.grace_renewed",
        "An operator lets somebody set up a second factor with the first step alone, for a while.",
    )
    RESET_ASKED = _success(
        "factor.reset_asked", "An operator announced that an account loses its second factors."
    )
    LOSS_CODE_SENT = _success(
        "factor.loss_code_sent", "Somebody who says they lost a factor was sent a code."
    )
    LOSS_CODE_WITHHELD = _failure(
        "factor.loss_code_withheld",
        "A factor was said to be lost where no code is sent: nobody, none, too new or too often.",
    )
    LOSS_UNPROVED = _failure(
        "factor.loss_unproved", "What was to prove the loss of a factor was wrong, or not enough."
    )
    LOSS_PROVED = _success(
        "factor.loss_proved", "With two proofs a person announced that their second factors go."
    )
    RESET_DROPPED = _failure(
        "factor.reset_dropped",
        "Factors stay that a person said were lost: one was used, or the account was changed.",
    )
    RESET = _success("factor.reset", "An account lost its second factors, as was announced.")
    RESET_CANCELLED = _success(
        "factor.reset_cancelled", "The owner stopped the reset of their second factors."
    )
    RESET_CANCEL_FAILED = _failure(
        "factor.reset_cancel_failed", "A wrong or stale link to stop a reset was given."
    )
    DEVICE_FORGOTTEN = _success(
        "factor.device_forgotten", "A person wants to be asked for the second factor again."
    )


class Key:
    """What the operator does with keys."""

    CREATED = _success("key.created", "A signing key was made; it is published and not yet used.")
    ACTIVATED = _success("key.activated", "A signing key signs from now on.")
    REVOKED = _success("key.revoked", "A signing key was withdrawn; its tokens are dead.")
    REENCRYPTED = _success("key.reencrypted", "Stored secrets were encrypted with the active key.")


CATALOGUE = (
    Registration,
    Invitation,
    Login,
    Passkey,
    Risk,
    Session,
    Token,
    Account,
    Factor,
    Recovery,
    Address,
    Notice,
    Delivery,
    Text,
    Key,
)


def every() -> Iterator[Event]:
    """Yield all kinds of events, in the catalogue's order."""
    for group in CATALOGUE:
        yield from (value for value in vars(group).values() if isinstance(value, Event))
