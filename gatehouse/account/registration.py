"""Registration with a password or a passkey, until the e-mail address is verified.

A pending registration is a one-time code: its data has the e-mail address, the profile, and the
password hash or passkey. `activation` makes an account of it. Known addresses get the same answer.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import config
from gatehouse.account import passkey_sign_up, registration_hooks
from gatehouse.account.forms import NewPasskeyForm, RegistrationForm
from gatehouse.account.pending_registration import (
    PASSKEY_REGISTRATION_CODE,
    REGISTRATION_CODE,
    RegistrationData,
)
from gatehouse.audit import events
from gatehouse.audit.service import record
from gatehouse.core import clock, crypto, crypto_labels, i18n
from gatehouse.core.events import UserCreated, publish
from gatehouse.database.session import db, write_transaction
from gatehouse.hooks import blocking
from gatehouse.messaging import outbox
from gatehouse.messaging.message import MessageRequest
from gatehouse.mfa.webauthn import ceremonies
from gatehouse.one_time_codes import sending
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.one_time_codes.channel import Recipient
from gatehouse.one_time_codes.service import CodeFormat, Secrets
from gatehouse.passwords import service as passwords
from gatehouse.users import attributes, registration_policy
from gatehouse.users import service as users
from gatehouse.users.identifiers import Email
from gatehouse.users.profile_schema import USER
from gatehouse.web.request_context import RequestContext
from gatehouse.web.user_agent import device_name
from models import OneTimeCode, User


def request_account(form: RegistrationForm, context: RequestContext) -> str:
    """Store a pending registration and send its e-mail; return its registration token.

    The token proves to `/auth/email/verify` that the code is entered by who registered. It is
    returned for a known e-mail address, too, and verifies nothing then.

    Raises:
        RegistrationClosed: users cannot sign up themselves.
        ValidationFailed: the password breaks the password policy, the domain is not allowed, or an
            attribute is not accepted.
        UsernameTaken: another user has the username; usernames are public.
        MalformedCredential, PasskeyRejected, AuthenticatorNotAllowed: the passkey is not valid.
        RegistrationDenied: a hook of the operator stops this registration.
    """
    registration_policy.require_sign_up(form.email)
    attributes.require_acceptable(form.attributes, USER)
    data = RegistrationData(
        email=form.email.as_written,
        profile=form.profile,
        attributes=form.attributes,
        ip_address=context.ip_address,
        device=device_name(context.user_agent),
    )
    if form.passkey is None:
        return _register_with_password(data, form.password or "", context)
    return _register_with_passkey(data, form.passkey, context)


def _register_with_passkey(
    data: RegistrationData, form: NewPasskeyForm, context: RequestContext
) -> str:
    """Verify the passkey before the e-mail address is looked up, and store the registration.

    The challenge is consumed in the transaction that stores it. The token is that of the options.
    """
    users.require_free_username(data.profile.get("username"))
    passkey = passkey_sign_up.verify_passkey(form)
    token_digest = crypto.digest(form.registration_token)
    data = replace(data, passkey=passkey.registration_data, registration_token_digest=token_digest)
    failed = registration_hooks.ask_hooks("passkey", data, context)
    with write_transaction():
        blocking.record_failures(failed)
        ceremonies.consume_challenge(passkey.challenge)
        _create_pending_registration(data, form.registration_token, context)
    return form.registration_token


def _register_with_password(data: RegistrationData, password: str, context: RequestContext) -> str:
    personal = [data.email, *data.profile.values()]
    translate = i18n.choose_language(data.profile.get("locale"), context.accept_language).gettext
    passwords.require_acceptable_password(password, personal, translate=translate)
    users.require_free_username(data.profile.get("username"))
    failed = registration_hooks.ask_hooks("password", data, context)
    password_hash = passwords.hash_password(password, context)
    data = replace(data, stored_hash=password_hash.hash, pepper=password_hash.pepper)
    registration_token = crypto.random_token()
    with write_transaction():
        blocking.record_failures(failed)
        _create_pending_registration(data, registration_token, context)
    return registration_token


def _create_pending_registration(
    data: RegistrationData, registration_token: str, context: RequestContext
) -> None:
    """Store the registration and send its code, or send an e-mail that the account exists.

    Over the hourly limit it is stored, too, and a code can be requested later (`resend`).
    """
    recipient = data.recipient
    within_limit = sending.reserve_message(REGISTRATION_CODE, recipient, context.ip_prefix)
    existing = users.find_by_email(recipient.canonical)
    message = _store_registration(data, registration_token, existing is not None, within_limit)
    if existing:
        message = MessageRequest(existing.email, "account_exists", {}, existing.locale)
    elif config.settings().unsafe_allow_unverified_email and data.stored_hash:
        create_user(data, context)
    if not within_limit:
        record(events.Registration.MAIL_SUPPRESSED, context)
        outbox.enqueue_decoy(message, context)
        return
    outbox.put(message, context)
    if existing:
        record(events.Registration.EMAIL_TAKEN, context, user_id=existing.id)
    else:
        record(events.Registration.REQUESTED, context)


def resend(email: Email, context: RequestContext) -> None:
    """Send a new code and link for a pending registration; the previous ones are void.

    If several are pending, the one from the client's IP address is chosen, else the newest. If none
    is, the same work is done, and nothing is sent.
    """
    recipient = Recipient("email", email.as_written, email.canonical)
    with write_transaction():
        within_limit = sending.reserve_message(REGISTRATION_CODE, recipient, context.ip_prefix)
        row = _select_registration(email, context)
        if row and within_limit:
            _resend_mail(row, context)
            return
        group = events.Registration
        record(group.MAIL_SUPPRESSED if row else group.NOTHING_PENDING, context)
        _send_decoy(recipient, context)


def _send_decoy(recipient: Recipient, context: RequestContext) -> None:
    """Do the work of an e-mail with a code; nothing is sent."""
    secrets = _create_decoy(recipient.canonical)
    expires_at = clock.now() + REGISTRATION_CODE.lifetime
    data = RegistrationData(email=recipient.as_written)
    outbox.enqueue_decoy(_build_message(data, secrets, expires_at), context)


def _select_registration(email: Email, context: RequestContext) -> OneTimeCode | None:
    rows = one_time_codes.list_pending(REGISTRATION_CODE.purpose, email.canonical)
    for row in rows:
        if one_time_codes.load_data(row, RegistrationData).ip_address == context.ip_address:
            return row
    return rows[0] if rows else None


def _resend_mail(row: OneTimeCode, context: RequestContext) -> None:
    """Send the e-mail again with new secrets; it names the device that registered."""
    data = one_time_codes.load_data(row, RegistrationData)
    message = _build_message(data, one_time_codes.renew(row), row.expires_at)
    about = {"address": data.ip_address, "device": data.device}
    outbox.put(replace(message, variables=message.variables | about), context)
    record(events.Registration.RESENT, context)


def _store_registration(
    data: RegistrationData, registration_token: str, is_known: bool, is_sent: bool
) -> MessageRequest:
    """Store a registration, and return its e-mail.

    That of a known address is never found by the address. A code that is not sent never works, or
    each registration over the limit would be one more code to guess.
    """
    code_type = PASSKEY_REGISTRATION_CODE if data.passkey else REGISTRATION_CODE
    code_format = CodeFormat(
        code_type.lifetime,
        is_readable=code_type.shows_code,
        is_decoy=is_known or not is_sent,
        requester_token=registration_token,
    )
    canonical = data.recipient.canonical
    subject = f"{crypto_labels.DECOY}:{canonical}" if is_known else canonical
    secrets = one_time_codes.create_in_format(
        code_type.purpose, subject, data.to_json(), code_format
    )
    return _build_message(data, secrets, clock.now() + code_type.lifetime)


def _create_decoy(canonical: str) -> Secrets:
    """Store an expired code, so that a known e-mail address takes as long as an unknown one."""
    return one_time_codes.create(crypto_labels.DECOY, canonical, {}, timedelta(0))


def _build_message(
    data: RegistrationData, secrets: Secrets, expires_at: datetime
) -> MessageRequest:
    """Return the e-mail; with a passkey, its link asks for no password but shows the code."""
    code_type = PASSKEY_REGISTRATION_CODE if data.passkey else REGISTRATION_CODE
    message = sending.build_message(code_type, data.recipient, secrets, expires_at)
    link = message.variables["link"]
    links = {"link": "", "code_link": link} if data.passkey else {"link": link, "code_link": ""}
    return replace(message, variables=message.variables | links)


def create_user(data: RegistrationData, context: RequestContext) -> User:
    """Create the account of a registration, in the current transaction."""
    user = users.create_user(Email(data.email, data.email.lower()), data.profile)
    set_password(user, data)
    db.session.flush()
    attributes.set_accepted(user, data.attributes, USER)
    publish(UserCreated(user.id, context))
    return user


def set_password(user: User, data: RegistrationData) -> None:
    """Set the password of the registration, or delete the account's password if it has none."""
    if data.password_hash:
        passwords.store_password_hash(user.id, data.password_hash)
    else:
        passwords.delete_password_hash(user.id)
