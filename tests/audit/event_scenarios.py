"""A scenario for every audit event: requests and commands that cause it exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from flask import Flask

import models
from gatehouse.account import invitation_reminders, user_administration
from gatehouse.audit import events
from gatehouse.audit.administration_events import Administration, Authorization
from gatehouse.database.session import db, write_transaction
from gatehouse.lockout.credential_stuffing import ACCOUNTS_PER_PASSWORD_THRESHOLD
from gatehouse.messaging import sms
from gatehouse.messaging.message import MessageRequest
from gatehouse.operations import cleanup
from gatehouse.risk.policy import Decision
from gatehouse.tokens import keys
from gatehouse.users.administration import UserChange
from gatehouse.web.request_context import NO_REQUEST
from tests.client import PASSWORD, Client, CookieClient, User
from tests.login_attempts import set_failures
from tests.mail_links import advance_clock, read_link_token, read_mail, token_of, wrong_code
from tests.mfa import otp
from tests.mfa.authenticator import Authenticator
from tests.mfa.conftest import Browser
from tests.user_accounts import create_user

ADA, BOB, NUMBER = "ada@example.com", "bob@example.com", "+4915112345678"
NEW = "another long phrase instead"
Cause = Callable[["Scenario"], None]
SCENARIOS: dict[str, Cause] = {}
"""The scenarios by the name of the event that they cause."""


@dataclass
class Scenario:
    """An application and a client; the user Ada is created on request."""

    app: Flask
    client: Client

    def ada(self) -> User:
        """Create Ada, with a verified e-mail address."""
        return create_user(self.app, User(ADA))

    def tokens(self) -> dict[str, str]:
        """Create Ada, log in, and return the tokens."""
        return self.client.log_in(self.ada())

    def post(self, path: str, form: dict[str, str], tokens: dict[str, str] | None = None) -> None:
        """Post a form, with tokens if given."""
        (self.client.as_(tokens) if tokens else self.client).post(path, form)

    def command(self, *arguments: str) -> None:
        """Run `flask ...`."""
        assert self.app.test_cli_runner().invoke(args=list(arguments)).exit_code == 0

    def change_ada(self, **values: object) -> None:
        """Set columns of Ada's row."""
        with self.app.app_context():
            db.session.execute(sa.update(models.User).values(values))
            db.session.commit()


def causes(event: events.Event) -> Callable[[Cause], Cause]:
    """Register a scenario that causes an event once."""

    def register(scenario: Cause) -> Cause:
        SCENARIOS[event.name] = scenario
        return scenario

    return register


def _schedule_mfa_reset(scenario: Scenario, days: int = 0) -> str:
    """Schedule an MFA reset of Ada, who has TOTP, some days ago; return the cancel token."""
    ada = scenario.ada()
    scenario.client.log_in(ada)
    scenario.client.enrol_totp(ada)
    with advance_clock(days=-days, seconds=-1):
        scenario.command("users", "reset-mfa", ADA)
    [mail] = [m for m in scenario.client.mailbox(to=ADA) if m["template"] == "notice_mfa_reset"]
    return token_of(mail["variables"]["link"])


@causes(Authorization.DENIED)
def read_permissions_without_permission(scenario: Scenario) -> None:
    scenario.client.as_(scenario.tokens()).get("/admin/permissions")


@causes(events.Factor.RESET_SCHEDULED)
def schedule_mfa_reset(scenario: Scenario) -> None:
    _schedule_mfa_reset(scenario)


@causes(events.Factor.GRACE_EXTENDED)
def extend_grace_period(scenario: Scenario) -> None:
    scenario.ada()
    scenario.command("users", "extend-mfa-grace", ADA)


@causes(events.Factor.RESET)
def execute_mfa_reset(scenario: Scenario) -> None:
    _schedule_mfa_reset(scenario, days=1)
    with scenario.app.app_context():
        cleanup.run_cleanup()


def _recover_mfa(scenario: Scenario, code: str = "") -> User:
    """Verify MFA recovery for Ada, who has TOTP; with a wrong code if one is given."""
    ada = scenario.ada()
    scenario.client.log_in(ada)
    scenario.client.enrol_totp(ada)
    token = scenario.client.post("/auth/mfa/recovery", {"email": ADA}).json["recovery_token"]
    code = code or read_mail(scenario.client, ADA)["code"]
    form = {"recovery_token": token, "code": code, "password": PASSWORD}
    scenario.post("/auth/mfa/recovery/verify", form)
    return ada


@causes(events.Factor.MFA_RECOVERY_CODE_SENT)
@causes(events.Factor.MFA_RECOVERY_CONFIRMED)
def recover_mfa(scenario: Scenario) -> None:
    _recover_mfa(scenario)


@causes(events.Factor.MFA_RECOVERY_CODE_SUPPRESSED)
def request_mfa_recovery_of_unknown_account(scenario: Scenario) -> None:
    scenario.post("/auth/mfa/recovery", {"email": ADA})


@causes(events.Factor.MFA_RECOVERY_FAILED)
def recover_mfa_with_wrong_code(scenario: Scenario) -> None:
    _recover_mfa(scenario, code="00000000")


@causes(events.Factor.RESET_ABORTED)
def use_factor_after_mfa_recovery(scenario: Scenario) -> None:
    with advance_clock(days=-1, seconds=-1):
        ada = _recover_mfa(scenario)
        scenario.client.complete_mfa(ada, scenario.client.log_in(ada))
    with scenario.app.app_context():
        cleanup.run_cleanup()


@causes(events.Factor.RESET_CANCELLED)
def cancel_mfa_reset(scenario: Scenario) -> None:
    scenario.post("/auth/mfa/reset/cancel", {"token": _schedule_mfa_reset(scenario)})


@causes(events.Factor.RESET_CANCEL_FAILED)
def cancel_mfa_reset_with_wrong_link(scenario: Scenario) -> None:
    scenario.post("/auth/mfa/reset/cancel", {"token": "x" * 43})


@causes(events.Registration.REQUESTED)
def register(scenario: Scenario) -> None:
    scenario.client.register(ADA)


@causes(events.Registration.VERIFIED)
def verify_registration(scenario: Scenario) -> None:
    scenario.client.sign_up(User(ADA))


@causes(events.Registration.EMAIL_TAKEN)
def register_taken_email(scenario: Scenario) -> None:
    scenario.ada()
    scenario.client.register(ADA)


@causes(events.Registration.MAIL_SUPPRESSED)
def register_four_times(scenario: Scenario) -> None:
    for _ in range(4):
        scenario.client.register(ADA)


@causes(events.Registration.VERIFICATION_FAILED)
def verify_registration_with_wrong_code(scenario: Scenario) -> None:
    scenario.client.register(ADA)
    code = wrong_code(read_mail(scenario.client, ADA)["code"])
    scenario.client.verify_code(ADA, code)


@causes(events.Invitation.SENT)
def invite_user(scenario: Scenario) -> None:
    scenario.command("users", "invite", ADA)


@causes(events.Invitation.REMINDED)
def invitation_ends_soon(scenario: Scenario) -> None:
    scenario.command("users", "invite", ADA)
    now, code = datetime.now(UTC), models.OneTimeCode
    with scenario.app.app_context():
        soon = {"created_at": now - timedelta(days=6), "expires_at": now + timedelta(hours=20)}
        db.session.execute(sa.update(code).values(soon))
        invitation_reminders.remind_due()
        db.session.commit()


@causes(events.Invitation.ACCEPTED)
def accept_invitation(scenario: Scenario) -> None:
    scenario.command("users", "invite", ADA)
    form = {"token": read_link_token(scenario.client, ADA), "password": PASSWORD}
    scenario.post("/auth/invitation", form)


@causes(events.Invitation.FAILED)
def accept_wrong_invitation(scenario: Scenario) -> None:
    scenario.post("/auth/invitation", {"token": "x" * 43, "password": PASSWORD})


@causes(events.Login.SUCCEEDED)
def log_in(scenario: Scenario) -> None:
    scenario.tokens()


@causes(events.Login.FAILED)
def fail_login(scenario: Scenario) -> None:
    scenario.post("/auth/login", {"identifier": ADA, "password": PASSWORD})


@causes(events.Login.REFUSED)
def log_in_to_disabled_account(scenario: Scenario) -> None:
    scenario.ada()
    scenario.change_ada(disabled_at=datetime.now(UTC))
    scenario.post("/auth/login", {"identifier": ADA, "password": PASSWORD})


@causes(events.Login.THROTTLED)
def fail_login_five_times(scenario: Scenario) -> None:
    for _ in range(5):
        fail_login(scenario)


@causes(events.Login.ACCOUNT_LOCKED)
def fail_login_a_hundred_times(scenario: Scenario) -> None:
    fail_login(scenario)
    set_failures(scenario.app, 99)
    fail_login(scenario)


@causes(events.Login.DEVICE_FORGOTTEN)
def fail_login_a_hundred_times_on_known_device(scenario: Scenario) -> None:
    headers = {"X-Device-Token": scenario.tokens()["device_token"]}
    form = {"identifier": ADA, "password": NEW}
    scenario.client.post("/auth/login", form, headers=headers)
    set_failures(scenario.app, 99)
    scenario.client.post("/auth/login", form, headers=headers)


@causes(events.Login.ACCOUNT_UNLOCKED)
def unlock_account(scenario: Scenario) -> None:
    scenario.ada()
    scenario.command("users", "unlock", ADA)


@causes(Administration.CREATED)
def create_user_by_command(scenario: Scenario) -> None:
    scenario.command("users", "create", ADA)


@causes(Administration.UPDATED)
def update_user(scenario: Scenario) -> None:
    scenario.ada()
    with scenario.app.app_context():
        [user] = db.session.scalars(sa.select(models.User))
        user_administration.update_user(UserChange(user.id, NO_REQUEST), {"name": "Ada"})
        db.session.commit()


@causes(Administration.DISABLED)
def disable_user(scenario: Scenario) -> None:
    scenario.ada()
    scenario.command("users", "disable", ADA, "--reason", "left the company")


@causes(Administration.ENABLED)
def enable_user(scenario: Scenario) -> None:
    disable_user(scenario)
    scenario.command("users", "enable", ADA)


@causes(Administration.EMAIL_VERIFIED)
def verify_email_by_command(scenario: Scenario) -> None:
    scenario.ada()
    scenario.change_ada(email_verified_at=None)
    scenario.command("users", "verify-email", ADA)


@causes(Administration.PASSWORD_RESET)
def require_new_password(scenario: Scenario) -> None:
    scenario.ada()
    scenario.command("users", "reset-password", ADA, "--yes")


@causes(Administration.SESSIONS_ENDED)
def end_sessions_by_command(scenario: Scenario) -> None:
    scenario.ada()
    scenario.command("users", "end-sessions", ADA, "--yes")


@causes(Administration.DELETED)
def delete_user(scenario: Scenario) -> None:
    scenario.ada()
    scenario.command("users", "delete", ADA, "--yes")


@causes(Administration.RESTORED)
def restore_user(scenario: Scenario) -> None:
    delete_user(scenario)
    scenario.command("users", "restore", ADA)


@causes(Administration.ERASED)
def erase_user(scenario: Scenario) -> None:
    delete_user(scenario)
    scenario.change_ada(erased_after=datetime.now(UTC))
    with scenario.app.app_context():
        cleanup.run_cleanup()


def _sign_in_with_passkey(scenario: Scenario, **changes: object) -> None:
    """Register a passkey for Ada, and sign in with an invalid response of it."""
    user = User(ADA)
    user.tokens = scenario.tokens()
    browser = Browser(scenario.client, Authenticator(counter=5), user)
    assert browser.register().status_code == 201
    assert browser.sign_in(**changes).status_code == 401


@causes(events.Passkey.REFUSED)
def sign_in_with_passkey_of_another_domain(scenario: Scenario) -> None:
    _sign_in_with_passkey(scenario, rp_id="evil.example")


@causes(events.Passkey.CLONE_SUSPECTED)
def sign_in_with_cloned_passkey(scenario: Scenario) -> None:
    _sign_in_with_passkey(scenario, counter=5)


@causes(events.Risk.ASSESSED)
def log_in_and_assess_risk(scenario: Scenario) -> None:
    scenario.tokens()


def _set_risk_decision(scenario: Scenario, decision: Decision) -> None:
    """Set the decision of the risk policy about new networks."""
    engine = scenario.app.extensions["gatehouse.risk"]
    object.__setattr__(engine, "policy", {"new_network": decision})


def _refresh_elsewhere(scenario: Scenario, tokens: dict[str, str]) -> None:
    """Refresh from another network."""
    form = {"refresh_token": tokens["refresh_token"]}
    away = {"REMOTE_ADDR": "198.51.100.1"}
    scenario.client.post("/auth/refresh", form, environ_overrides=away)


@causes(events.Session.LOCATION_CHANGED)
def continue_session_elsewhere(scenario: Scenario) -> None:
    _refresh_elsewhere(scenario, scenario.tokens())


@causes(events.Session.DOWNGRADED)
def continue_session_elsewhere_with_downgrade(scenario: Scenario) -> None:
    _set_risk_decision(scenario, Decision.ASK_SECOND_FACTOR)
    ada = scenario.ada()
    scenario.client.log_in(ada)
    scenario.client.enrol_totp(ada)
    _refresh_elsewhere(scenario, ada.tokens)


@causes(events.Session.REFUSED)
def continue_session_against_risk_policy(scenario: Scenario) -> None:
    _set_risk_decision(scenario, Decision.REFUSE)
    _refresh_elsewhere(scenario, scenario.tokens())


@causes(events.Risk.REFUSED)
def log_in_against_risk_policy(scenario: Scenario) -> None:
    scenario.tokens()
    _set_risk_decision(scenario, Decision.REFUSE)
    form = {"identifier": ADA, "password": PASSWORD}
    away = {"REMOTE_ADDR": "198.51.100.1"}
    scenario.client.post("/auth/login", form, environ_overrides=away)


@causes(events.Risk.CREDENTIAL_STUFFING_DETECTED)
def stuff_credentials(scenario: Scenario) -> None:
    form = {"identifier": ADA, "password": NEW}
    scenario.post("/auth/login", form)
    with scenario.app.app_context():
        db.session.execute(
            sa.update(models.CredentialStuffingCounter).values(
                bitmap=2**ACCOUNTS_PER_PASSWORD_THRESHOLD - 1
            )
        )
        db.session.commit()
    scenario.post("/auth/login", form)


@causes(events.Login.LINK_SENT)
def request_link(scenario: Scenario) -> None:
    scenario.ada()
    scenario.post("/auth/login/link", {"email": ADA})


@causes(events.Login.LINK_SUPPRESSED)
def request_link_for_unknown_email(scenario: Scenario) -> None:
    scenario.post("/auth/login/link", {"email": ADA})


@causes(events.Session.REFRESHED)
def refresh(scenario: Scenario) -> None:
    scenario.client.refresh(scenario.tokens())


@causes(events.Session.REFRESH_REPLAYED)
def replay_refresh(scenario: Scenario) -> None:
    tokens = scenario.tokens()
    scenario.client.refresh(tokens)
    scenario.client.refresh(tokens)


@causes(events.Session.REFRESH_REPLACED)
def lose_refresh_response(scenario: Scenario) -> None:
    tokens = scenario.tokens()
    scenario.client.refresh(tokens)
    form = {"refresh_token": tokens["refresh_token"]}
    device = {"X-Device-Token": tokens["device_token"]}
    with advance_clock(seconds=60):
        scenario.client.post("/auth/refresh", form, headers=device)


@causes(events.Session.REFRESH_REUSED)
def reuse_refresh_token(scenario: Scenario) -> None:
    tokens = scenario.tokens()
    scenario.client.refresh(tokens)
    with advance_clock(seconds=60):
        scenario.client.refresh(tokens)


@causes(events.Session.CSRF_FAILED)
def write_from_foreign_origin(scenario: Scenario) -> None:
    browser = CookieClient(partial(scenario.app.test_client, use_cookies=False))
    signed_in = browser.as_(browser.log_in(scenario.ada()))
    signed_in.post("/auth/logout", headers={"Origin": "https://evil.example"})


@causes(events.Session.ENDED)
def log_out(scenario: Scenario) -> None:
    scenario.post("/auth/logout", {}, scenario.tokens())


@causes(events.Token.REFUSED)
def refresh_with_malformed_token(scenario: Scenario) -> None:
    scenario.client.refresh({"refresh_token": "not a token"})


@causes(events.Account.PROFILE_CHANGED)
def change_profile(scenario: Scenario) -> None:
    scenario.client.as_(scenario.tokens()).patch("/auth/me", {"name": "Ada"})


@causes(events.Account.PASSWORD_CHANGED)
def change_password(scenario: Scenario) -> None:
    form = {"current_password": PASSWORD, "password": NEW}
    scenario.post("/auth/password/change", form, scenario.tokens())


@causes(events.Account.PASSWORD_CHANGE_FAILED)
def change_password_with_wrong_password(scenario: Scenario) -> None:
    form = {"current_password": NEW, "password": PASSWORD}
    scenario.post("/auth/password/change", form, scenario.tokens())


@causes(events.Account.PASSWORD_UPGRADED)
def log_in_with_outdated_hash(scenario: Scenario) -> None:
    create_outdated_hash(scenario)
    scenario.post("/auth/login", {"identifier": ADA, "password": PASSWORD})


@causes(events.Delivery.ABANDONED)
def let_mail_expire(scenario: Scenario) -> None:
    scenario.client.register(ADA)
    with scenario.app.app_context():
        db.session.execute(sa.update(models.OutboxMessage).values(expires_at=datetime.now(UTC)))
        db.session.commit()
        cleanup.run_cleanup()


@causes(events.Registration.RESENT)
def resend_mail(scenario: Scenario) -> None:
    scenario.client.register(ADA)
    scenario.post("/auth/email/resend", {"email": ADA})


@causes(events.Registration.NOTHING_PENDING)
@causes(events.PasswordReset.UNKNOWN_ACCOUNT)
def request_mails_for_unknown_account(scenario: Scenario) -> None:
    scenario.post("/auth/email/resend", {"email": ADA})
    scenario.post("/auth/password/forgot", {"email": ADA})


@causes(events.PasswordReset.REQUESTED)
def request_password_reset(scenario: Scenario) -> None:
    scenario.ada()
    scenario.post("/auth/password/forgot", {"email": ADA})


@causes(events.PasswordReset.SUPPRESSED)
def request_password_reset_four_times(scenario: Scenario) -> None:
    scenario.ada()
    for _ in range(4):
        scenario.post("/auth/password/forgot", {"email": ADA})


@causes(events.PasswordReset.COMPLETED)
def reset_password(scenario: Scenario) -> None:
    request_password_reset(scenario)
    form = {"token": read_link_token(scenario.client, ADA), "password": NEW}
    scenario.post("/auth/password/reset", form)


@causes(events.Account.OWNERSHIP_VERIFIED)
def verify_ownership_of_imported_account(scenario: Scenario) -> None:
    request_password_reset(scenario)
    scenario.change_ada(email_verified_at=None)
    form = {"token": read_link_token(scenario.client, ADA), "password": NEW}
    scenario.post("/auth/password/reset", form)


@causes(events.PasswordReset.FAILED)
def reset_password_with_wrong_token(scenario: Scenario) -> None:
    scenario.post("/auth/password/reset", {"token": "x" * 43, "password": NEW})


@causes(events.Identifier.EMAIL_CHANGE_REQUESTED)
def request_email_change(scenario: Scenario) -> None:
    scenario.post("/auth/email/change", {"email": BOB}, scenario.tokens())


@causes(events.Identifier.EMAIL_TAKEN)
def request_taken_email(scenario: Scenario) -> None:
    create_user(scenario.app, User(BOB))
    request_email_change(scenario)


@causes(events.Identifier.EMAIL_CHANGE_SUPPRESSED)
@causes(events.Notification.SUPPRESSED)
def request_email_change_four_times(scenario: Scenario) -> None:
    tokens = scenario.tokens()
    for _ in range(4):
        scenario.post("/auth/email/change", {"email": BOB}, tokens)


@causes(events.Identifier.EMAIL_CHANGED)
def change_email(scenario: Scenario) -> None:
    request_email_change(scenario)
    code = read_mail(scenario.client, BOB)["code"]
    scenario.post("/auth/email/verify", {"email": BOB, "code": code, "password": PASSWORD})


@causes(events.Identifier.EMAIL_CHANGE_REVERTED)
def revert_email_change(scenario: Scenario) -> None:
    change_email(scenario)
    scenario.post("/auth/email/undo", {"token": read_link_token(scenario.client, ADA)})


@causes(events.Identifier.EMAIL_REVERT_FAILED)
def revert_email_change_with_wrong_token(scenario: Scenario) -> None:
    scenario.post("/auth/email/undo", {"token": "x" * 43})


@causes(events.Account.RESTORATION_FAILED)
def restore_account_with_wrong_token(scenario: Scenario) -> None:
    scenario.post("/auth/me/restore", {"token": "x" * 43})


@causes(events.Identifier.PHONE_VERIFICATION_REQUESTED)
def request_phone_verification(scenario: Scenario) -> None:
    scenario.post("/auth/phone", {"phone": NUMBER}, scenario.tokens())


@causes(events.Identifier.PHONE_TAKEN)
def request_taken_phone(scenario: Scenario) -> None:
    verify_phone(scenario)
    bobs = scenario.client.log_in(create_user(scenario.app, User(BOB)))
    scenario.post("/auth/phone", {"phone": NUMBER}, bobs)


@causes(events.Identifier.PHONE_VERIFIED)
def verify_phone(scenario: Scenario) -> None:
    tokens = scenario.tokens()
    scenario.post("/auth/phone", {"phone": NUMBER}, tokens)
    code = read_mail(scenario.client, NUMBER)["code"]
    scenario.post("/auth/phone/verify", {"phone": NUMBER, "code": code}, tokens)


@causes(events.Identifier.PHONE_VERIFICATION_FAILED)
def verify_phone_with_wrong_code(scenario: Scenario) -> None:
    scenario.post("/auth/phone/verify", {"phone": NUMBER, "code": "123456"}, scenario.tokens())


@causes(events.Identifier.PHONE_REMOVED)
def remove_phone(scenario: Scenario) -> None:
    scenario.client.as_(scenario.tokens()).delete("/auth/phone")


@causes(events.Account.PASSWORD_COMPROMISED)
def flag_password(scenario: Scenario) -> None:
    scenario.ada()
    scenario.command("passwords", "flag", ADA)


@causes(events.Factor.ENROLMENT_STARTED)
@causes(events.Factor.CONFIRMED)
def enrol_totp(scenario: Scenario) -> None:
    ada = scenario.ada()
    scenario.client.log_in(ada)
    scenario.client.enrol_totp(ada)


@causes(events.Factor.REQUIRED)
def log_in_with_totp_enrolled(scenario: Scenario) -> None:
    _start_mfa(scenario)


@causes(events.Factor.FAILED)
def fail_second_factor(scenario: Scenario) -> None:
    form = {"mfa_token": _start_mfa(scenario)[1], "factor": "totp", "code": "no code"}
    scenario.post("/auth/login/mfa", form)


@causes(events.Factor.CODE_SENT)
def request_factor_code(scenario: Scenario) -> None:
    otp.start_enrolment(scenario.client, scenario.ada(), "email")


@causes(events.Factor.CODE_SUPPRESSED)
def request_too_many_factor_codes(scenario: Scenario) -> None:
    ada = scenario.ada()
    for _ in range(11):
        otp.start_enrolment(scenario.client, ada, "email")


@causes(events.Factor.REMOVED)
def remove_totp(scenario: Scenario) -> None:
    ada = scenario.ada()
    scenario.client.log_in(ada)
    factor = scenario.client.enrol_totp(ada)["factor"]
    signed_in = scenario.client.as_(scenario.client.renew(ada.tokens))
    signed_in.delete(f"/auth/mfa/factors/{factor['id']}")


@causes(events.Factor.RECOVERY_CODES_REPLACED)
def replace_recovery_codes(scenario: Scenario) -> None:
    ada = scenario.ada()
    scenario.client.log_in(ada)
    scenario.client.enrol_totp(ada)
    scenario.client.as_(scenario.client.renew(ada.tokens)).post("/auth/mfa/recovery-codes")


@causes(events.Factor.STEPPED_UP)
def reauthenticate(scenario: Scenario) -> None:
    scenario.post("/auth/reauthenticate", {"password": PASSWORD}, scenario.tokens())


@causes(events.Factor.DEVICE_TRUSTED)
def trust_device(scenario: Scenario) -> None:
    _trust_device(scenario)


@causes(events.Factor.DEVICE_TRUST_REVOKED)
def revoke_device_trust(scenario: Scenario) -> None:
    signed_in = scenario.client.as_(_trust_device(scenario))
    [device] = signed_in.get("/auth/devices").json["items"]
    signed_in.delete(f"/auth/devices/{device['id']}")


def _start_mfa(scenario: Scenario) -> tuple[User, str]:
    """Create Ada with TOTP, and log in up to the MFA challenge; return its token."""
    ada = scenario.ada()
    scenario.client.log_in(ada)
    scenario.client.enrol_totp(ada)
    return ada, scenario.client.log_in(ada)["mfa_token"]


def _trust_device(scenario: Scenario) -> dict[str, str]:
    ada, token = _start_mfa(scenario)
    form = {"mfa_token": token, "remember_device": True}
    return scenario.client.complete_mfa(ada, form, **form)


@causes(events.SigningKey.CREATED)
@causes(events.SigningKey.ACTIVATED)
@causes(events.SigningKey.REVOKED)
def revoke_signing_key(scenario: Scenario) -> None:
    with scenario.app.app_context():
        kid = keys.list_keys()[0][0].kid
    scenario.command("keys", "revoke", "--", kid)  # an id may begin with a hyphen


@causes(events.SigningKey.REPLACED)
@causes(Administration.DATABASE_RESTORED)
def restore_backup(scenario: Scenario) -> None:
    with TemporaryDirectory() as folder:
        scenario.command("backup", f"{folder}/backup")
        scenario.command("restore", f"{folder}/backup", "--yes")


@causes(events.SigningKey.REENCRYPTED)
def rotate_encryption_keys(scenario: Scenario) -> None:
    scenario.command("keys", "rotate-encryption")


@causes(events.Sms.SUPPRESSED)
def request_six_sms(scenario: Scenario) -> None:
    for _ in range(6):
        _send_sms_code(scenario, "+4915112345678")


@causes(events.Sms.PREFIX_PAUSED)
def request_sms_codes_without_entering_them(scenario: Scenario) -> None:
    for number in range(30):
        _send_sms_code(scenario, f"+49151123456{number:02}")
    with advance_clock(minutes=10, seconds=5):
        _send_sms_code(scenario, "+4915112345699")


def _send_sms_code(scenario: Scenario, number: str) -> None:
    """Send a code by SMS that is never entered."""
    variables = {"code": "314159"}
    with scenario.app.app_context(), write_transaction():
        sms.send(MessageRequest(number, "sms_login", variables, channel="sms"), NO_REQUEST)
        db.session.commit()


def create_outdated_hash(scenario: Scenario) -> None:
    """Create Ada with a password hash whose cost differs from the setting."""
    scenario.ada()
    settings = scenario.app.extensions["gatehouse.settings"]
    object.__setattr__(settings, "bcrypt_cost", 5)
