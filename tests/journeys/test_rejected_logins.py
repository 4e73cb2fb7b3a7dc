"""Journeys: a login that is rejected at first, and what the user does then."""

import pytest
from altcha import Challenge, Payload, solve_challenge

from gatehouse.cli import serve
from tests.client import PASSWORD, User
from tests.journeys.conftest import ADA, NEW_PASSWORD
from tests.journeys.device import outcome
from tests.login_attempts import set_failures
from tests.mfa.authenticator import Authenticator

DISABLED = (403, "account_disabled")
LOCKED = (429, "too_many_attempts")
SIGNED_IN = (200, "authenticated")
WRONG_PASSWORD = (401, "invalid_credentials")
WRONG = User(ADA, "not her password at all")


def solve_captcha(device, action):
    """Get a challenge and return its answer."""
    challenge = Challenge.from_dict(device.get(f"/auth/captcha?action={action}").json)
    return Payload(challenge, solve_challenge(challenge)).to_base64()


@pytest.mark.settings(GATEHOUSE_CAPTCHA_REGISTER="always", GATEHOUSE_CAPTCHA_LOGIN="always")
@pytest.mark.settings(GATEHOUSE_CAPTCHA_PASSWORD_RESET="always", GATEHOUSE_CAPTCHA_COST="5")
def test_captcha_is_solved_to_sign_up_to_log_in_and_to_reset_the_password(device, mailbox):
    def send(action, path, **form):
        rejected = device.post(path, **form)
        assert outcome(rejected) == (403, "captcha_required")
        assert f"/auth/captcha?action={action}" in rejected.json["next"]
        return outcome(device.post(path, **form, captcha=solve_captcha(device, action)))

    sign_up = send("register", "/auth/register", email=ADA, password=PASSWORD)
    assert sign_up == (202, "verification_required")
    code = mailbox.read("verify_email")["code"]
    device.post("/auth/email/verify", email=ADA, code=code, password=PASSWORD)
    assert send("login", "/auth/login", identifier=ADA, password=PASSWORD) == SIGNED_IN
    assert device.me["email"] == ADA
    assert send("forgot", "/auth/password/forgot", email=ADA) == (202, "sent")
    assert mailbox.read("password_reset")["code"]


@pytest.mark.settings(GATEHOUSE_CAPTCHA_LOGIN="after_failures", GATEHOUSE_CAPTCHA_COST="5")
def test_captcha_is_asked_for_after_a_few_wrong_passwords(device, ada):
    outcomes = [outcome(device.log_in(WRONG)) for _ in range(3)]
    assert outcomes == [WRONG_PASSWORD] * 3

    assert outcome(device.log_in(ada)) == (403, "captcha_required")
    form = {"identifier": ADA, "password": PASSWORD, "captcha": solve_captcha(device, "login")}
    assert outcome(device.post("/auth/login", **form)) == SIGNED_IN


def test_lockout_ends_after_a_while_and_the_right_password_is_accepted(device, ada, wait):
    outcomes = [outcome(device.log_in(WRONG)) for _ in range(5)]
    assert outcomes == [WRONG_PASSWORD] * 5

    locked = device.log_in(ada)
    assert outcome(locked) == LOCKED
    assert 1 <= int(locked.headers["Retry-After"]) <= 30
    assert device.log_in(WRONG).json["detail"] == locked.json["detail"]
    wait(seconds=int(locked.headers["Retry-After"]) + 1)
    assert outcome(device.log_in(ada)) == SIGNED_IN
    assert outcome(device.log_in(WRONG)) == WRONG_PASSWORD  # counted from zero again


def test_lockout_by_an_attacker_spares_the_device_of_the_user_and_is_ended_by_it(
    app, new_device, ada, mailbox
):
    mine, attacker, other = new_device(), new_device(), new_device()
    attacker.ip_address, other.ip_address = "198.51.100.1", "203.0.113.1"
    mine.log_in(ada)
    mine.log_out()
    attacker.log_in(WRONG)
    set_failures(app, 99)  # instead of a hundred requests

    assert outcome(attacker.log_in(WRONG)) == WRONG_PASSWORD
    assert mailbox.templates()[-1] == "notice_lockout"
    assert outcome(other.log_in(ada)) == LOCKED
    assert outcome(mine.log_in(ada)) == SIGNED_IN
    assert outcome(other.log_in(ada)) == SIGNED_IN


def test_lockout_of_a_user_without_a_known_device_is_ended_by_an_operator(
    app, new_device, ada, wait
):
    attacker, mine = new_device(), new_device()
    attacker.ip_address = "198.51.100.1"
    attacker.log_in(WRONG)
    set_failures(app, 99)  # instead of a hundred requests
    attacker.log_in(WRONG)
    wait(days=2)
    assert outcome(mine.log_in(ada)) == LOCKED

    unlocked = app.test_cli_runner().invoke(args=["users", "unlock", ADA])
    assert unlocked.output == "ada@example.com is unlocked.\n"
    assert outcome(mine.log_in(ada)) == SIGNED_IN


def test_breached_password_must_be_reset_before_the_next_login(app, device, ada, mailbox):
    flagged = app.test_cli_runner().invoke(args=["passwords", "flag", ADA])
    assert flagged.exit_code == 0, flagged.output

    rejected = device.log_in(ada)
    assert outcome(rejected) == (403, "password_change_required")
    assert "POST /auth/password/forgot" in rejected.json["next"]
    device.post("/auth/password/forgot", email=ADA)
    form = {"email": ADA, "code": mailbox.read("password_reset")["code"]}
    assert device.post("/auth/password/reset", **form, password=NEW_PASSWORD).status_code == 204
    assert outcome(device.log_in(User(ADA, NEW_PASSWORD))) == SIGNED_IN


def test_disabled_user_is_signed_out_and_gets_in_by_no_method(app, new_device, ada, mailbox):
    device, key = new_device(), Authenticator()
    device.log_in(ada)
    device.enrol("passkey", lambda factor: {"credential": key.create(factor["public_key"])})
    set_disabled(app, True)

    assert outcome(device.refresh()) == (401, "session_ended")
    elsewhere = new_device()
    assert outcome(elsewhere.log_in(WRONG)) == WRONG_PASSWORD
    assert outcome(elsewhere.log_in(ada)) == DISABLED
    assert outcome(elsewhere.log_in_with_passkey(key)) == DISABLED
    token = elsewhere.post("/auth/login/link", email=ADA).json["login_token"]
    form = {"login_token": token, "code": mailbox.read("login_link")["code"]}
    assert outcome(elsewhere.post("/auth/login/link/verify", **form)) == DISABLED

    set_disabled(app, False)
    assert outcome(elsewhere.log_in_with_passkey(key)) == SIGNED_IN


def set_disabled(app, disabled):
    """Disable or enable the account, as an operator."""
    command = ("disable", ADA, "--reason", "stolen") if disabled else ("enable", ADA)
    assert app.test_cli_runner().invoke(args=["users", *command]).exit_code == 0


def enrol_within_the_login(device, user, challenge):
    """Enrol TOTP in a login that requires a second factor; return the outcome."""
    mfa_token = challenge["mfa_token"]
    factor = device.post("/auth/login/mfa/enrolment", mfa_token=mfa_token, kind="totp").json
    user.secret = factor["secret"]
    form = {"mfa_token": mfa_token, "factor_id": factor["id"], "code": user.totp()}
    return outcome(device.post("/auth/login/mfa/enrolment/confirm", **form))


@pytest.fixture
def overdue(app, ada, wait):
    """Let a second factor be required for longer than the grace period."""
    with app.app_context():
        serve.prepare_database()  # records since when it is required
    wait(days=15)


@pytest.mark.usefixtures("overdue")
@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_enrolment_that_is_overdue_takes_a_mailed_code(device, ada, mailbox):
    challenge = device.log_in(ada).json
    assert challenge["status"] == "mfa_required"
    [factor] = challenge["factors"]
    assert factor["kind"] == "email"
    form = {"mfa_token": challenge["mfa_token"]}
    device.post("/auth/login/mfa/challenge", **form, factor_id=factor["id"])
    code = mailbox.read("factor_code")["code"]
    verified = device.post("/auth/login/mfa", **form, factor="email", code=code)
    assert outcome(verified) == (200, "mfa_enrolment_required")

    assert enrol_within_the_login(device, ada, verified.json) == SIGNED_IN
    assert device.me["email"] == ADA


@pytest.mark.usefixtures("overdue")
@pytest.mark.settings(GATEHOUSE_MFA="required", GATEHOUSE_FACTORS="totp,recovery_codes")
def test_enrolment_that_is_overdue_is_allowed_again_by_an_operator(app, device, ada):
    rejected = device.log_in(ada)
    assert outcome(rejected) == (403, "mfa_enrolment_overdue")

    extended = app.test_cli_runner().invoke(args=["users", "extend-mfa-grace", ADA])
    assert extended.exit_code == 0, extended.output
    challenge = device.log_in(ada)
    assert outcome(challenge) == (200, "mfa_enrolment_required")
    assert enrol_within_the_login(device, ada, challenge.json) == SIGNED_IN
    assert device.me["email"] == ADA
