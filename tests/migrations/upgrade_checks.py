"""What the users of an old version know still works: one check for each thing."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.child_processes import PythonProcess
from tests.mail_server import run_mail_server
from tests.migrations.upgraded_service import Service, authenticator, totp

NEW_PASSWORD = "another long phrase instead"
STRANGER = "198.51.100.1"
WORKER = """
import sys
import time_machine
from flask.cli import main
from tests import moved_clock
moved_clock.pytest_configure()  # PostgreSQL's clock moves, too
time_machine.travel(float(sys.argv[1])).start()
sys.argv = ["flask", "worker"]
main()
"""
"""`gatehouse worker` at another time."""


def password(service, known):
    """The password works with the e-mail address and the username."""
    tokens = service.logs_in(known)
    assert service.belongs(tokens, known)["name"] == "Ada Lovelace"
    form = {"identifier": known["username"], "password": known["password"]}
    service.belongs(service.send("/auth/login", form), known)
    service.log_in(known | {"password": "not the password at all"}, 401)


def argon2(service, known):
    """A password that was hashed with Argon2 works, before and after it is hashed with bcrypt."""
    service.logs_in(known)
    service.logs_in(known)


def session(service, known):
    """The access token is valid, the refresh token yields new ones, and the session can end."""
    service.belongs(known, known)
    [listed] = service.get("/auth/sessions", bearer=known)["items"]
    renewed = service.send("/auth/refresh", {"refresh_token": known["refresh_token"]})
    service.belongs(renewed, known)
    service.send(f"/auth/sessions/{listed['id']}", None, 204, "DELETE", renewed)
    service.send("/auth/refresh", {"refresh_token": renewed["refresh_token"]}, 401)


def cookie_session(service, known):
    """The cookies and the CSRF token of a browser are valid; the refresh cookie works once."""
    cookies = known["cookies"]
    csrf = next(value for name, value in cookies.items() if "csrf" in name)
    sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    assert service.get("/auth/me", headers=dict(sent))["email"] == known["email"]
    assert service.get("/auth/csrf", headers=dict(sent))["csrf_token"] == csrf
    refreshed = service.client.post("/auth/refresh", headers=sent | {"X-CSRF-Token": csrf})
    renewed = "; ".join(one.split(";")[0] for one in refreshed.headers.getlist("Set-Cookie"))
    service.send("/auth/refresh", headers={"Cookie": renewed, "X-CSRF-Token": csrf})
    service.clock.shift(timedelta(minutes=1))
    reused = service.send("/auth/refresh", None, 401, headers=sent | {"X-CSRF-Token": csrf})
    assert reused["code"] == "refresh_token_reused"


def registration_code(service, known):
    """A pending registration is confirmed with the code of its mail."""
    form = {"email": known["email"], "code": known["code"], "password": known["password"]}
    service.send("/auth/email/verify", form)
    service.logs_in(known)


def registration_link(service, known):
    """A pending registration is confirmed with the link of its mail and the password."""
    form = {"token": known["token"], "password": known["password"]}
    service.send("/auth/email/verify", form)
    service.logs_in(known)


def invitation(service, known):
    """An invitation is accepted, and the roles are those of the invitation."""
    form = {"token": known["token"], "password": known["password"]}
    service.send("/auth/invitation", form, 204)
    tokens = service.logs_in(known)
    assert service.belongs(tokens, known)["roles"] == ["admin", "user"]


def locked(service, known):
    """Unknown devices stay locked out; the known device logs in."""
    service.log_in(known, 429, environ_overrides={"REMOTE_ADDR": STRANGER})
    tokens = service.logs_in(known, device=known["device_token"])
    assert tokens["device_token"] == known["device_token"]


def waiting(service, known):
    """A network that had to wait still has to; the known device logs in from there."""
    there = {"environ_overrides": {"REMOTE_ADDR": known["address"]}}
    service.log_in(known, 429, **there)
    service.logs_in(known)
    service.log_in(known, 429, **there)
    service.logs_in(known, device=known["device_token"], **there)


def totp_factor(service, known):
    """A code of the authenticator app and a recovery code work, each once."""
    asked, used_code = service.question(known), totp(known)
    service.complete_mfa(known, asked, "totp", used_code)
    recovery_code = known["recovery_codes"][0]
    service.complete_mfa(known, service.question(known), "recovery_codes", recovery_code)
    asked = service.question(known)
    for factor, code in (("recovery_codes", recovery_code), ("totp", used_code)):
        form = {"mfa_token": asked["mfa_token"], "factor": factor, "code": code}
        service.send("/auth/login/mfa", form, 401)


def totp_unconfirmed(service, known):
    """An authenticator app that was being set up is confirmed."""
    path = f"/auth/mfa/factors/{known['factor_id']}/confirm"
    service.send(path, {"code": totp(known)}, bearer=known)
    service.logs_in_with_totp(known)


def remembered_device(service, known):
    """No second factor is asked on the remembered device, and it is asked on others."""
    service.logs_in(known, device=known["device_token"])
    service.logs_in_with_totp(known)


def second_step(service, known):
    """A login that waited for its second factor is finished."""
    service.complete_mfa(known, known, "totp", totp(known))


def sms(service, known):
    """A code by SMS is the second factor, and the phone number identifies the user."""
    by_number = known | {"email": known["phone"]}
    assert service.log_in(by_number)["status"] == "mfa_required"
    service.logs_in_with_sent_code(known, "sms", known["phone"])


def email(service, known):
    """A code by mail is the second factor."""
    service.logs_in_with_sent_code(known, "email", known["email"])


def phone_code(service, known):
    """The code of an SMS verifies a phone number."""
    form = {"phone": known["phone"], "code": known["code"]}
    service.send("/auth/phone/verify", form, bearer=known)
    me = service.belongs(service.logs_in(known), known)
    assert (me["phone"], me["phone_verified"]) == (known["phone"], True)


def passkey(service, known):
    """A passkey logs in: by options from before the upgrade, by new ones, as second factor.

    The next passkey of the user gets the same user handle.
    """
    service.logs_in_with_passkey(known, known["waiting"])
    service.logs_in_with_passkey(known)
    asked = service.question(known)
    [offered] = [one for one in asked["factors"] if one["kind"] == "passkey"]
    form = {"mfa_token": asked["mfa_token"], "factor_id": offered["id"]}
    options = service.send("/auth/login/mfa/challenge", form)["public_key"]
    form["credential"] = authenticator(known).get(options)
    tokens = service.send("/auth/login/mfa", form)
    service.belongs(tokens, known)
    options = service.send("/auth/passkeys/registration/options", bearer=tokens)["public_key"]
    assert options["user"]["id"] == known["passkey"]["user_handle"]


def passkey_only(service, known):
    """A user without a password logs in with the passkey."""
    service.logs_in_with_passkey(known)


def passkey_registration(service, known):
    """A pending registration with a passkey is confirmed."""
    form = {name: known[name] for name in ("email", "code", "registration_token")}
    service.send("/auth/email/verify", form)
    service.logs_in_with_passkey(known)


def reset_link(service, known):
    """An open link resets the password, once."""
    form = {"token": known["token"], "password": NEW_PASSWORD}
    service.send("/auth/password/reset", form, 204)
    service.send("/auth/password/reset", form, 401)
    service.logs_in(known | {"password": NEW_PASSWORD})


def email_change(service, known):
    """The code of a mail changes the e-mail address."""
    form = {"email": known["new_email"], "code": known["code"]}
    form["password"] = known["password"]
    service.send("/auth/email/verify", form)
    service.logs_in(known | {"email": known["new_email"]})


def email_undo(service, known):
    """The link in the mail to the old address reverts a change of the e-mail address."""
    service.logs_in(known | {"email": known["new_email"]})
    service.send("/auth/email/undo", {"token": known["token"]}, 204)
    service.log_in(known | {"email": known["new_email"]}, 401)


def login_link(service, known):
    """The link of a mail logs in where it was requested."""
    form = {"login_token": known["login_token"], "token": known["token"]}
    service.belongs(service.send("/auth/login/link/verify", form), known)


def repeated_request(service, known):
    """A request that is sent again is answered as before, as long as its encryption key is there.

    Answers are kept for a day, and no new key encrypts them.
    """
    again = {"headers": dict(known["headers"])}
    if service.has_old_key:
        assert service.send("/auth/login/link", known["form"], 202, **again) == known["answer"]
    else:
        service.send("/auth/login/link", known["form"], 422, **again)


def mfa_recovery(service, known):
    """The code of a mail and the password announce that the second factors will be removed."""
    form = {name: known[name] for name in ("recovery_token", "code", "password")}
    assert service.send("/auth/mfa/recovery/verify", form)["status"] == "announced"


def mfa_reset(service, known):
    """An announced removal of second factors is stopped by the link in its mail."""
    service.send("/auth/mfa/reset/cancel", {"token": known["token"]}, 204)
    service.logs_in_with_totp(known)


def own_role(service, known):
    """The user has the operator's role and its permission."""
    tokens = service.logs_in(known)
    assert service.belongs(tokens, known)["roles"] == [known["role"], "user"]
    path = f"/gateway/verify?require={known['permission']}"
    service.get(path, bearer=tokens)


def api_key(service, known):
    """A program with an API key has the permission of the key, and no other."""
    key = {"headers": {"Authorization": f"Bearer {known['key']}"}}
    service.get("/gateway/verify?require=users:read", **key)
    service.get("/gateway/verify?require=users:write", status=403, **key)


def deleted_account(service, known):
    """An account that its user has deleted is restored by the link of its mail."""
    service.log_in(known, 403)
    service.send("/auth/me/restore", {"token": known["token"]}, 204)
    service.logs_in(known)


def unsent_mail(service, known):
    """The worker sends the mail that was waiting, as it was written, and no other one."""
    with run_mail_server() as server:
        smtp = {"SMTP_URL": f"insecure-smtp://127.0.0.1:{server.port}"}
        environ = {"PATH": os.environ["PATH"], **service.environment, **smtp}
        worker = PythonProcess(["-c", WORKER, str(time.time())], environ, service.output)
        deadline = time.monotonic() + 60
        while not server.handler.received and time.monotonic() < deadline:
            time.sleep(0.02)
        worker.terminate()
        worker.wait(15)
    assert server.handler.received, service.output.read_text()
    [received] = server.handler.received
    assert received.recipients == [known["to"]]
    assert received.mail["Subject"] == known["subject"]
    text = received.mail.get_body(["plain"]).get_content()
    assert text.split() == known["text"].split()


CHECKS: dict[str, Callable[[Service, dict[str, Any]], None]] = {
    check.__name__: check
    for check in (
        *(unsent_mail, waiting, locked, second_step, totp_unconfirmed, password, argon2, session),
        *(cookie_session, registration_code, registration_link, invitation, remembered_device, sms),
        *(email, phone_code, passkey, passkey_only, passkey_registration, reset_link, email_change),
        *(email_undo, login_link, repeated_request, mfa_recovery, mfa_reset),
        *(own_role, api_key, deleted_account),
    )
} | {"totp": totp_factor}
"""By what the fixture calls it; first what must not wait, and the mail before there are others."""
