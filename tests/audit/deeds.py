"""What people, thieves and operators do to leave each event of the catalogue in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import sqlalchemy as sa
from flask import Flask

from gatehouse.audit import events
from gatehouse.database.session import db, writing
from gatehouse.lockout.credential_stuffing import MANY_OF_PASSWORD
from gatehouse.messaging import sms
from gatehouse.messaging.message import Letter
from gatehouse.operations import cleanup
from gatehouse.risk.policy import Decision
from gatehouse.tokens import keys
from gatehouse.web.request_context import NOBODY
from models import GuardTally, OutboxMessage, User
from tests.client import PASSWORD, Client, CookieClient
from tests.client import User as Person
from tests.letters import later, letter, link_token, other_code, token_of
from tests.mfa import otp
from tests.mfa.authenticator import Authenticator
from tests.mfa.conftest import Browser
from tests.password_guessing import set_counters
from tests.people import settle

ADA, BOB, NUMBER = "ada@example.com", "bob@example.com", "+4915112345678"
NEW = "another long phrase instead"
Deed = Callable[["World"], None]
DEEDS: dict[str, Deed] = {}
"""By the name of the event that each makes happen once."""


@dataclass
class World:
    """A service, and Ada, who has an account once she is asked for."""

    app: Flask
    client: Client

    def ada(self) -> Person:
        """Return Ada, who has an account with a proven address."""
        return settle(self.app, Person(ADA))

    def tokens(self) -> dict[str, str]:
        """Return what Ada got when she logged in."""
        return self.client.log_in(self.ada())

    def post(self, path: str, form: dict[str, str], tokens: dict[str, str] | None = None) -> None:
        """Post a form, perhaps as Ada."""
        (self.client.as_(tokens) if tokens else self.client).post(path, form)

    def command(self, *arguments: str) -> None:
        """Run `flask ...`."""
        assert self.app.test_cli_runner().invoke(args=list(arguments)).exit_code == 0

    def change_ada(self, **values: object) -> None:
        """Change Ada's row."""
        with self.app.app_context():
            db.session.execute(sa.update(User).values(values))
            db.session.commit()


def deed(event: events.Event) -> Callable[[Deed], Deed]:
    """Say of a function that it makes an event happen once."""

    def mark(act: Deed) -> Deed:
        DEEDS[event.name] = act
        return act

    return mark


def lose_factors(world: World, days: int = 0) -> str:
    """Let an operator announce, some days ago, that Ada loses her app; return what stops it."""
    ada = world.ada()
    world.client.log_in(ada)
    world.client.enrol_totp(ada)
    with later(days=-days, seconds=-1):
        world.command("users", "reset-mfa", ADA)
    [notice] = [m for m in world.client.mailbox(to=ADA) if m["template"] == "notice_mfa_reset"]
    return token_of(notice["variables"]["link"])


@deed(events.Factor.RESET_ASKED)
def an_operator_announces_that_factors_go(world: World) -> None:
    lose_factors(world)


@deed(events.Factor.GRACE_RENEWED)
def an_operator_gives_more_time(world: World) -> None:
    world.ada()
    world.command("users", "renew-mfa", ADA)


@deed(events.Factor.RESET)
def factors_go_as_announced(world: World) -> None:
    lose_factors(world, days=1)
    with world.app.app_context():
        cleanup.purge()


def say_lost(world: World, code: str = "", whose: str = ADA) -> Person:
    """Let Ada, who has an app, prove that she lost it; with a wrong code if one is given."""
    ada = world.ada()
    world.client.log_in(ada)
    world.client.enrol_totp(ada)
    asked = world.client.post("/auth/mfa/recovery", {"email": whose}).json["recovery_token"]
    code = code or letter(world.client, whose)["code"]
    form = {"recovery_token": asked, "code": code, "password": PASSWORD}
    world.post("/auth/mfa/recovery/verify", form)
    return ada


@deed(events.Factor.LOSS_CODE_SENT)
@deed(events.Factor.LOSS_PROVED)
def somebody_proves_that_a_factor_is_lost(world: World) -> None:
    say_lost(world)


@deed(events.Factor.LOSS_CODE_WITHHELD)
def a_stranger_says_that_a_factor_is_lost(world: World) -> None:
    world.post("/auth/mfa/recovery", {"email": ADA})


@deed(events.Factor.LOSS_UNPROVED)
def somebody_guesses_the_code_of_a_lost_factor(world: World) -> None:
    say_lost(world, code="00000000")


@deed(events.Factor.RESET_DROPPED)
def a_factor_is_found_again(world: World) -> None:
    with later(days=-1, seconds=-1):
        ada = say_lost(world)
        world.client.second_step(ada, world.client.log_in(ada))
    with world.app.app_context():
        cleanup.purge()


@deed(events.Factor.RESET_CANCELLED)
def an_owner_keeps_the_factors(world: World) -> None:
    world.post("/auth/mfa/reset/cancel", {"token": lose_factors(world)})


@deed(events.Factor.RESET_CANCEL_FAILED)
def somebody_presents_a_wrong_link_to_keep_factors(world: World) -> None:
    world.post("/auth/mfa/reset/cancel", {"token": "x" * 43})


@deed(events.Registration.REQUESTED)
def somebody_asks_for_an_account(world: World) -> None:
    world.client.register(ADA)


@deed(events.Registration.VERIFIED)
def somebody_proves_an_address(world: World) -> None:
    world.client.sign_up(Person(ADA))


@deed(events.Registration.ADDRESS_KNOWN)
def somebody_asks_for_an_account_at_a_known_address(world: World) -> None:
    world.ada()
    world.client.register(ADA)


@deed(events.Registration.MAIL_WITHHELD)
def somebody_asks_for_an_account_four_times(world: World) -> None:
    for _ in range(4):
        world.client.register(ADA)


@deed(events.Registration.PROOF_FAILED)
def somebody_guesses_a_code(world: World) -> None:
    world.client.register(ADA)
    code = other_code(letter(world.client, ADA)["code"])
    world.post("/auth/email/verify", {"email": ADA, "code": code})


@deed(events.Invitation.SENT)
def an_operator_invites_somebody(world: World) -> None:
    world.command("users", "invite", ADA)


@deed(events.Invitation.ACCEPTED)
def somebody_accepts_an_invitation(world: World) -> None:
    world.command("users", "invite", ADA)
    form = {"token": link_token(world.client, ADA), "password": PASSWORD}
    world.post("/auth/invitation", form)


@deed(events.Invitation.FAILED)
def somebody_presents_a_wrong_invitation(world: World) -> None:
    world.post("/auth/invitation", {"token": "x" * 43, "password": PASSWORD})


@deed(events.Login.SUCCEEDED)
def somebody_logs_in(world: World) -> None:
    world.tokens()


@deed(events.Login.FAILED)
def somebody_guesses_a_password(world: World) -> None:
    world.post("/auth/login", {"identifier": ADA, "password": PASSWORD})


@deed(events.Login.REFUSED)
def somebody_logs_in_to_a_disabled_account(world: World) -> None:
    world.ada()
    world.change_ada(disabled_at=datetime.now(UTC))
    world.post("/auth/login", {"identifier": ADA, "password": PASSWORD})


@deed(events.Login.THROTTLED)
def somebody_guesses_five_passwords(world: World) -> None:
    for _ in range(5):
        somebody_guesses_a_password(world)


@deed(events.Login.CLOSED)
def somebody_guesses_the_hundredth_password(world: World) -> None:
    somebody_guesses_a_password(world)
    set_counters(world.app, 99)
    somebody_guesses_a_password(world)


@deed(events.Login.DEVICE_FORGOTTEN)
def somebody_guesses_the_hundredth_password_on_a_known_device(world: World) -> None:
    headers = {"X-Device-Token": world.tokens()["device_token"]}
    form = {"identifier": ADA, "password": NEW}
    world.client.post("/auth/login", form, headers=headers)
    set_counters(world.app, 99)
    world.client.post("/auth/login", form, headers=headers)


@deed(events.Login.REOPENED)
def an_operator_unlocks_an_account(world: World) -> None:
    world.ada()
    world.command("users", "unlock", ADA)


def passkey(world: World, **lies: object) -> None:
    """Let Ada register a passkey, and sign in with it, with lies."""
    person = Person(ADA)
    person.tokens = world.tokens()
    mine = Browser(world.client, Authenticator(counter=5), person)
    assert mine.register().status_code == 201
    assert mine.sign_in(**lies).status_code == 401


@deed(events.Passkey.REFUSED)
def a_passkey_answers_for_another_domain(world: World) -> None:
    passkey(world, rp_id="evil.example")


@deed(events.Passkey.COUNTER_FELL)
def a_copy_of_a_passkey_signs_in(world: World) -> None:
    passkey(world, counter=5)


@deed(events.Risk.JUDGED)
def somebody_logs_in_and_is_weighed(world: World) -> None:
    world.tokens()


def decide(world: World, decision: Decision) -> None:
    """Let the policy decide about new networks."""
    risk = world.app.extensions["gatehouse.risk"]
    object.__setattr__(risk, "policy", {"new_network": decision})


def go_on_elsewhere(world: World, tokens: dict[str, str]) -> None:
    """Refresh from another network."""
    form = {"refresh_token": tokens["refresh_token"]}
    away = {"REMOTE_ADDR": "198.51.100.1"}
    world.client.post("/auth/refresh", form, environ_overrides=away)


@deed(events.Session.MOVED)
def a_session_goes_on_elsewhere(world: World) -> None:
    go_on_elsewhere(world, world.tokens())


@deed(events.Session.LOWERED)
def a_session_goes_on_elsewhere_without_its_second_factor(world: World) -> None:
    decide(world, Decision.ASK_SECOND_FACTOR)
    ada = world.ada()
    world.client.log_in(ada)
    world.client.enrol_totp(ada)
    go_on_elsewhere(world, ada.tokens)


@deed(events.Session.REFUSED)
def a_session_ends_that_was_to_go_on_elsewhere(world: World) -> None:
    decide(world, Decision.REFUSE)
    go_on_elsewhere(world, world.tokens())


@deed(events.Risk.REFUSED)
def somebody_logs_in_from_a_network_that_the_policy_refuses(world: World) -> None:
    world.tokens()
    decide(world, Decision.REFUSE)
    form = {"identifier": ADA, "password": PASSWORD}
    away = {"REMOTE_ADDR": "198.51.100.1"}
    world.client.post("/auth/login", form, environ_overrides=away)


@deed(events.Risk.GUARD_RAISED)
def somebody_tries_a_password_on_many_accounts(world: World) -> None:
    form = {"identifier": ADA, "password": NEW}
    world.post("/auth/login", form)
    with world.app.app_context():
        db.session.execute(sa.update(GuardTally).values(seen=2**MANY_OF_PASSWORD - 1))
        db.session.commit()
    world.post("/auth/login", form)


@deed(events.Login.LINK_SENT)
def somebody_asks_for_a_link(world: World) -> None:
    world.ada()
    world.post("/auth/login/link", {"email": ADA})


@deed(events.Login.LINK_WITHHELD)
def somebody_asks_for_a_link_at_an_unknown_address(world: World) -> None:
    world.post("/auth/login/link", {"email": ADA})


@deed(events.Session.REFRESHED)
def a_client_refreshes(world: World) -> None:
    world.client.refresh(world.tokens())


@deed(events.Session.REPEATED)
def a_client_repeats_a_refresh(world: World) -> None:
    tokens = world.tokens()
    world.client.refresh(tokens)
    world.client.refresh(tokens)


@deed(events.Session.REUSED)
def a_thief_refreshes_too_late(world: World) -> None:
    tokens = world.tokens()
    world.client.refresh(tokens)
    with later(seconds=60):
        world.client.refresh(tokens)


@deed(events.Session.CSRF_FAILED)
def a_page_of_somebody_else_sends_a_write(world: World) -> None:
    browser = CookieClient(partial(world.app.test_client, use_cookies=False))
    mine = browser.as_(browser.log_in(world.ada()))
    mine.post("/auth/logout", headers={"Origin": "https://evil.example"})


@deed(events.Session.ENDED)
def somebody_logs_out(world: World) -> None:
    world.post("/auth/logout", {}, world.tokens())


@deed(events.Token.REFUSED)
def a_client_refreshes_with_nonsense(world: World) -> None:
    world.client.refresh({"refresh_token": "not a token"})


@deed(events.Account.PROFILE_CHANGED)
def somebody_changes_their_name(world: World) -> None:
    world.client.as_(world.tokens()).patch("/auth/me", {"name": "Ada"})


@deed(events.Account.PASSWORD_CHANGED)
def somebody_changes_their_password(world: World) -> None:
    form = {"current_password": PASSWORD, "password": NEW}
    world.post("/auth/password/change", form, world.tokens())


@deed(events.Account.PASSWORD_CHANGE_FAILED)
def somebody_guesses_the_current_password(world: World) -> None:
    form = {"current_password": NEW, "password": PASSWORD}
    world.post("/auth/password/change", form, world.tokens())


@deed(events.Account.PASSWORD_UPGRADED)
def somebody_logs_in_with_a_stale_hash(world: World) -> None:
    make_stale(world)
    world.post("/auth/login", {"identifier": ADA, "password": PASSWORD})


@deed(events.Delivery.GIVEN_UP)
def a_mail_waits_until_its_code_has_expired(world: World) -> None:
    world.client.register(ADA)
    with world.app.app_context():
        db.session.execute(sa.update(OutboxMessage).values(good_until=datetime.now(UTC)))
        db.session.commit()
        cleanup.purge()


@deed(events.Registration.RESENT)
def somebody_asks_for_the_mail_again(world: World) -> None:
    world.client.register(ADA)
    world.post("/auth/email/resend", {"email": ADA})


@deed(events.Registration.IDLE)
@deed(events.Recovery.UNKNOWN)
def somebody_asks_for_mails_where_nobody_is(world: World) -> None:
    world.post("/auth/email/resend", {"email": ADA})
    world.post("/auth/password/forgot", {"email": ADA})


@deed(events.Recovery.REQUESTED)
def somebody_forgets_a_password(world: World) -> None:
    world.ada()
    world.post("/auth/password/forgot", {"email": ADA})


@deed(events.Recovery.WITHHELD)
def somebody_forgets_a_password_four_times(world: World) -> None:
    world.ada()
    for _ in range(4):
        world.post("/auth/password/forgot", {"email": ADA})


@deed(events.Recovery.COMPLETED)
def somebody_resets_a_password(world: World) -> None:
    somebody_forgets_a_password(world)
    form = {"token": link_token(world.client, ADA), "password": NEW}
    world.post("/auth/password/reset", form)


@deed(events.Account.CLAIMED)
def somebody_proves_an_address_that_was_imported(world: World) -> None:
    somebody_forgets_a_password(world)
    world.change_ada(email_verified_at=None)
    form = {"token": link_token(world.client, ADA), "password": NEW}
    world.post("/auth/password/reset", form)


@deed(events.Recovery.FAILED)
def somebody_guesses_a_token(world: World) -> None:
    world.post("/auth/password/reset", {"token": "x" * 43, "password": NEW})


@deed(events.Address.EMAIL_ASKED)
def somebody_wants_another_address(world: World) -> None:
    world.post("/auth/email/change", {"email": BOB}, world.tokens())


@deed(events.Address.EMAIL_TAKEN)
def somebody_wants_the_address_of_another(world: World) -> None:
    settle(world.app, Person(BOB))
    somebody_wants_another_address(world)


@deed(events.Address.EMAIL_WITHHELD)
@deed(events.Notice.WITHHELD)
def somebody_wants_another_address_four_times(world: World) -> None:
    tokens = world.tokens()
    for _ in range(4):
        world.post("/auth/email/change", {"email": BOB}, tokens)


@deed(events.Address.EMAIL_CHANGED)
def somebody_proves_another_address(world: World) -> None:
    somebody_wants_another_address(world)
    code = letter(world.client, BOB)["code"]
    world.post("/auth/email/verify", {"email": BOB, "code": code})


@deed(events.Address.EMAIL_UNDONE)
def somebody_undoes_a_change(world: World) -> None:
    somebody_proves_another_address(world)
    world.post("/auth/email/undo", {"token": link_token(world.client, ADA)})


@deed(events.Address.EMAIL_UNDO_FAILED)
def somebody_guesses_an_undo(world: World) -> None:
    world.post("/auth/email/undo", {"token": "x" * 43})


@deed(events.Address.PHONE_ASKED)
def somebody_wants_a_code_by_sms(world: World) -> None:
    world.post("/auth/phone", {"phone": NUMBER}, world.tokens())


@deed(events.Address.PHONE_TAKEN)
def somebody_wants_the_number_of_another(world: World) -> None:
    somebody_proves_a_number(world)
    bobs = world.client.log_in(settle(world.app, Person(BOB)))
    world.post("/auth/phone", {"phone": NUMBER}, bobs)


@deed(events.Address.PHONE_PROVED)
def somebody_proves_a_number(world: World) -> None:
    tokens = world.tokens()
    world.post("/auth/phone", {"phone": NUMBER}, tokens)
    code = letter(world.client, NUMBER)["code"]
    world.post("/auth/phone/verify", {"phone": NUMBER, "code": code}, tokens)


@deed(events.Address.PHONE_PROOF_FAILED)
def somebody_guesses_a_texted_code(world: World) -> None:
    world.post("/auth/phone/verify", {"phone": NUMBER, "code": "123456"}, world.tokens())


@deed(events.Address.PHONE_REMOVED)
def somebody_takes_their_number_away(world: World) -> None:
    world.client.as_(world.tokens()).delete("/auth/phone")


@deed(events.Account.PASSWORD_FLAGGED)
def an_operator_flags_a_password(world: World) -> None:
    world.ada()
    world.command("passwords", "flag", ADA)


@deed(events.Factor.ENROLLED)
@deed(events.Factor.CONFIRMED)
def somebody_gets_an_app(world: World) -> None:
    ada = world.ada()
    world.client.log_in(ada)
    world.client.enrol_totp(ada)


@deed(events.Factor.ASKED)
def somebody_with_an_app_logs_in(world: World) -> None:
    _question(world)


@deed(events.Factor.FAILED)
def somebody_guesses_the_code_of_an_app(world: World) -> None:
    form = {"mfa_token": _question(world)[1], "factor": "totp", "code": "no code"}
    world.post("/auth/login/mfa", form)


@deed(events.Factor.CODE_SENT)
def somebody_has_a_code_mailed(world: World) -> None:
    otp.begin(world.client, world.ada(), "email")


@deed(events.Factor.CODE_WITHHELD)
def somebody_wants_more_codes_than_are_mailed(world: World) -> None:
    ada = world.ada()
    for _ in range(11):
        otp.begin(world.client, ada, "email")


@deed(events.Factor.REMOVED)
def somebody_removes_their_app(world: World) -> None:
    ada = world.ada()
    world.client.log_in(ada)
    factor = world.client.enrol_totp(ada)["factor"]
    mine = world.client.as_(world.client.renew(ada.tokens))
    mine.delete(f"/auth/mfa/factors/{factor['id']}")


@deed(events.Factor.CODES_REPLACED)
def somebody_gets_new_recovery_codes(world: World) -> None:
    ada = world.ada()
    world.client.log_in(ada)
    world.client.enrol_totp(ada)
    world.client.as_(world.client.renew(ada.tokens)).post("/auth/mfa/recovery-codes")


@deed(events.Factor.STEPPED_UP)
def somebody_proves_who_they_are_again(world: World) -> None:
    world.post("/auth/reauthenticate", {"password": PASSWORD}, world.tokens())


@deed(events.Factor.DEVICE_REMEMBERED)
def somebody_wants_a_device_remembered(world: World) -> None:
    _remembered(world)


@deed(events.Factor.DEVICE_FORGOTTEN)
def somebody_wants_a_device_forgotten(world: World) -> None:
    mine = world.client.as_(_remembered(world))
    [device] = mine.get("/auth/devices").json["items"]
    mine.delete(f"/auth/devices/{device['id']}")


def _question(world: World) -> tuple[Person, str]:
    """Let Ada get an app, and log in as far as its code."""
    ada = world.ada()
    world.client.log_in(ada)
    world.client.enrol_totp(ada)
    return ada, world.client.log_in(ada)["mfa_token"]


def _remembered(world: World) -> dict[str, str]:
    ada, token = _question(world)
    question = {"mfa_token": token, "remember_device": True}
    return world.client.second_step(ada, question, **question)


@deed(events.Key.CREATED)
@deed(events.Key.ACTIVATED)
def an_operator_rotates_the_signing_keys(world: World) -> None:
    with later(minutes=10):
        world.command("keys", "rotate")


@deed(events.Key.REVOKED)
def an_operator_withdraws_a_signing_key(world: World) -> None:
    with world.app.app_context():
        kid = keys.stages()[0][0].kid
    world.command("keys", "revoke", "--", kid)  # an id may begin with a hyphen


@deed(events.Key.REENCRYPTED)
def an_operator_rotates_the_encryption_keys(world: World) -> None:
    world.command("keys", "rotate-encryption")


@deed(events.Text.WITHHELD)
def somebody_asks_for_six_texts(world: World) -> None:
    for _ in range(6):
        send_code(world, "+4915112345678")


@deed(events.Text.PREFIX_PAUSED)
def somebody_has_codes_sent_that_nobody_reads(world: World) -> None:
    for number in range(30):
        send_code(world, f"+49151123456{number:02}")
    with later(minutes=10, seconds=5):
        send_code(world, "+4915112345699")


def send_code(world: World, number: str) -> None:
    """Text a code that nobody types in."""
    variables = {"code": "314159"}
    with world.app.app_context(), writing():
        sms.text(Letter(number, "sms_login", variables, channel="sms"), NOBODY)
        db.session.commit()


def make_stale(world: World) -> None:
    """Make Ada's account, with a hash that costs more than those of today."""
    world.ada()
    settings = world.app.extensions["gatehouse.settings"]
    object.__setattr__(settings, "bcrypt_cost", 5)
