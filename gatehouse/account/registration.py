"""From asking for an account to having one.

An unproven registration is no account but a challenge: it holds the address, the profile, and the
hash of the password or a passkey. Its code, typed where one registered, or its code or link with
the password, activates exactly that row; so nobody can prepare an account for somebody else. Known
and unknown addresses get the same answer after the same work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

import config
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, i18n
from gatehouse.database.session import db, release, take_turns, writing
from gatehouse.messaging import outbox, recipient_limits
from gatehouse.messaging.message import Letter
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.passwords import service as passwords
from gatehouse.passwords.hasher import WrongPassword
from gatehouse.users import mail_variables
from gatehouse.users import service as users
from gatehouse.users.errors import (
    CodeTypedElsewhere,
    RegistrationPasswordWrong,
    RegistrationProofFailed,
)
from gatehouse.users.identifiers import Email
from gatehouse.web.request_context import Visitor, site_of
from gatehouse.web.user_agent import device_name
from models import Challenge, User

PURPOSE = "register"
LIFETIME = timedelta(hours=24)  # NIST SP 800-63B-4 section 4.2.1.2: at most 24 hours by mail
TEMPLATE = "verify_email"
PROFILE = ("username", "phone", "name", "locale")
PROOFS = ("hash", "pepper", "passkey", "holder")
"""What somebody registers with: a password, or a passkey and the digest of who holds its token."""
Claim = Callable[[User, Visitor], None]
"""Marks an account as its owner's who has proved the address, and takes all from it that was set
before; a room above does it, which knows sessions and factors."""


@dataclass(frozen=True)
class PendingRegistration:
    """What the page of the link tells about the registration it would activate."""

    email: str
    asked_at: datetime
    address: str
    device: str


def ask(form: dict[str, Any], visitor: Visitor) -> None:
    """Ask for an account: `form` has `email` (Email), `password` and perhaps the profile's fields.

    Raises:
        ValidationFailed: the password is not good enough.
        UsernameTaken: usernames are public.
    """
    email: Email = form["email"]
    personal = [email.address, *(form.get(field) for field in PROFILE)]
    say = i18n.choose(form.get("locale"), visitor.languages).say
    passwords.require_good(form["password"], personal, say=say)
    users.require_free(form.get("username"))
    release()
    hashed = passwords.hash_new(form["password"], visitor)
    wait(form | {"hash": hashed.hash, "pepper": hashed.pepper}, visitor)


def wait(form: dict[str, Any], visitor: Visitor) -> None:
    """Let a registration wait for its proof, in a write transaction.

    `form` has `hash` and `pepper` in place of a `password`; or a `passkey`, which is a JSON object
    for whoever activates the registration, and `holder`: then its code works for that holder alone.
    """
    with writing():
        take_turns(turn(form["email"].canonical))
        _write(form, visitor)


def require_holder(row: Challenge, registration_token: str | None) -> None:
    """Return if what waits is of whoever sends this token; without one, of nobody in particular.

    Raises:
        InvalidCode: it is somebody else's.
    """
    holder = crypto.digest(registration_token) if registration_token else None
    if one_time_codes.open_data(row).get("holder") != holder:
        raise one_time_codes.InvalidCode


def require_asker(row: Challenge, password: str | None, visitor: Visitor) -> None:
    """Return if whoever typed the code of a registration is who registered.

    Else the owner of an address would activate what a stranger prepared, by typing the code of the
    stranger's mail.

    Raises:
        CodeTypedElsewhere: it came without the password, and from elsewhere.
        RegistrationPasswordWrong: it is not this registration's password.
    """
    data = one_time_codes.open_data(row)
    if "holder" in data:  # a passkey's, and `require_holder` has seen that it is theirs
        return
    if password is None:
        require_place(row, visitor)
    else:
        _require_password(row, password, visitor)


def require_place(row: Challenge, visitor: Visitor) -> None:
    """Return if the visitor is where this challenge was asked for; a right code is no guess.

    Raises:
        CodeTypedElsewhere: they are not.
    """
    if site_of(one_time_codes.open_data(row).get("address", "")) != visitor.site:
        one_time_codes.give_back(row.id)
        raise CodeTypedElsewhere(user_id=row.user_id)


def turn(canonical: str) -> str:
    """Return the key of `take_turns` for whatever makes or activates registrations of an address.

    Two that delete each other's rows would otherwise wait for each other for ever.
    """
    return f"registration:{canonical}"


def describe(challenge_id: UUID) -> PendingRegistration | None:
    """Return when and from where a registration was asked, if it still can be proved."""
    row = one_time_codes.by_id(PURPOSE, challenge_id)
    if row is None:
        return None
    data = one_time_codes.open_data(row)
    return PendingRegistration(data["email"], row.created_at, data["address"], data["device"])


def prove_by_link(token: str, password: str, visitor: Visitor, claim: Claim) -> None:
    """Activate the registration of this link; only who asked for it knows the password.

    Raises:
        RegistrationProofFailed: the link is wrong or stale.
        RegistrationPasswordWrong: the link is right, the password is not.
        UsernameTaken: somebody took the username meanwhile.
    """
    try:
        row = one_time_codes.guess_with_token(PURPOSE, token)
    except one_time_codes.InvalidCode:
        raise RegistrationProofFailed from None
    _require_password(row, password, visitor)
    activate(row, visitor, claim)


def _require_password(row: Challenge, password: str, visitor: Visitor) -> None:
    data = one_time_codes.open_data(row)
    if "hash" not in data:
        raise RegistrationProofFailed
    release()
    try:
        with one_time_codes.given_back(row.id, WrongPassword):
            passwords.verify(passwords.Hashed(data["hash"], data["pepper"]), password, visitor)
    except WrongPassword:
        raise RegistrationPasswordWrong from None


def resend(email: Email, visitor: Visitor) -> None:
    """Mail a registration's code and link once more, both new; the old ones are void.

    Of several that wait it is the one that was asked for from where the visitor is, else the
    newest. What waits for nothing costs the same work, and no mail.
    """
    with writing():
        take_turns(turn(email.canonical))
        row = _meant(email, visitor)
        if row and recipient_limits.left(email.canonical, TEMPLATE):
            _send_anew(row, visitor)
            return
        record(events.Registration.MAIL_WITHHELD if row else events.Registration.IDLE, visitor)
        secrets = one_time_codes.create("nothing", email.canonical, {}, timedelta(0))
        outbox.waste(Letter(email.address, TEMPLATE, _shown({}, secrets, LIFETIME)), visitor)


def _meant(email: Email, visitor: Visitor) -> Challenge | None:
    rows = one_time_codes.waiting(PURPOSE, email.canonical)
    mine = [row for row in rows if one_time_codes.open_data(row)["address"] == visitor.address]
    return next(iter([*mine, *rows]), None)


def _send_anew(row: Challenge, visitor: Visitor) -> None:
    """Write the mail that was written, with new secrets; it tells who registered, not who asks."""
    data = one_time_codes.open_data(row)
    variables = _shown(data, one_time_codes.renew(row), row.expires_at - clock.now())
    variables |= {"address": data["address"], "device": data["device"]}
    outbox.put(Letter(data["email"], TEMPLATE, variables, data.get("locale")), visitor)
    record(events.Registration.RESENT, visitor)


def _write(form: dict[str, Any], visitor: Visitor) -> None:
    """Write the challenge and its mail, or the mail that says there is an account."""
    email: Email = form["email"]
    known = users.by_email(email.canonical)
    if not recipient_limits.left(email.canonical, TEMPLATE):
        record(events.Registration.MAIL_WITHHELD, visitor)
        return
    data = {key: form[key] for key in (*PROFILE, *PROOFS) if key in form}
    device = device_name(visitor.user_agent)
    data |= {"email": email.address, "address": visitor.address, "device": device}
    if known:
        one_time_codes.create("nothing", email.canonical, {}, timedelta(0))  # as much work
        outbox.put(Letter(known.email, "account_exists", {}, known.locale), visitor)
        record(events.Registration.ADDRESS_KNOWN, visitor, user_id=known.id)
        return
    secrets = one_time_codes.create(PURPOSE, email.canonical, data, LIFETIME)
    shown = _shown(data, secrets, LIFETIME)
    outbox.put(Letter(email.address, TEMPLATE, shown, form.get("locale")), visitor)
    record(events.Registration.REQUESTED, visitor)
    if config.settings().unsafe_allow_unverified_email and "hash" in data:
        _make_account(data)


def _shown(
    data: dict[str, Any], secrets: one_time_codes.Secrets, lifetime: timedelta
) -> dict[str, Any]:
    """Return what the mail says: the link wants a password, so with a passkey there is none."""
    shown = mail_variables.proof("verify-email", secrets, lifetime)
    return shown | {"link": ""} if "passkey" in data else shown


def activate(row: Challenge, visitor: Visitor, claim: Claim) -> User:
    """Make the account of a registration whose code or link and password were right; return it.

    An account whose address nobody had proved, as an import writes it, becomes theirs.

    Raises:
        RegistrationProofFailed: somebody was quicker.
        UsernameTaken: somebody took the username meanwhile.
    """
    data = one_time_codes.open_data(row)
    canonical = data["email"].lower()
    try:
        with writing():
            take_turns(turn(canonical))
            one_time_codes.hold(PURPOSE, canonical)
            one_time_codes.consume(row.id)
            one_time_codes.forget(PURPOSE, canonical)
            user = _claimed(canonical, data, claim, visitor) or _make_account(data)
            user.email_verified_at = clock.now()
            record(events.Registration.VERIFIED, visitor, user_id=user.id)
    except (IntegrityError, one_time_codes.InvalidCode):
        raise RegistrationProofFailed from None
    return user


def _claimed(canonical: str, data: dict[str, Any], claim: Claim, visitor: Visitor) -> User | None:
    """Return the account with this address that nobody had proved, if there is one; now it is.

    An import wrote it while the registration waited, or GATEHOUSE_UNSAFE_ALLOW_UNVERIFIED_EMAIL.
    """
    user = users.by_email(canonical)
    if user is None:
        return None
    if user.email_verified_at:
        raise RegistrationProofFailed
    claim(user, visitor)
    _equip(user, data)
    return user


def _make_account(data: dict[str, Any]) -> User:
    email = Email(data["email"], data["email"].lower())
    user = users.create(email, data)
    _equip(user, data)
    db.session.flush()
    return user


def _equip(user: User, data: dict[str, Any]) -> None:
    """Give an account the password of its registration; without one it has none."""
    if "hash" in data:
        passwords.store(user.id, passwords.Hashed(data["hash"], data["pepper"]))
    else:
        passwords.discard(user.id)
