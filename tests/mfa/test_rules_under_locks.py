"""Rules about factors are judged again under the locks of the write that they allow."""

from dataclasses import replace
from functools import partial

import pytest

from gatehouse.mfa import passkey_registration
from models import Credential, Password
from tests.account.conftest import ADA, NEW, request_reset_mail, reset_password, status_and_code
from tests.client import PASSWORD, User
from tests.mfa import otp
from tests.mfa.authenticator import Authenticator
from tests.mfa.conftest import Browser
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

STEP_UP = (401, "insufficient_user_authentication")
REMOVED = (204, "")


def factor_ids(client, tokens):
    factors = client.as_(tokens).get("/auth/mfa/factors").json["items"]
    return {factor["kind"]: factor["id"] for factor in factors}


@pytest.mark.stores
@pytest.mark.requirement("MF-10")
def test_one_step_up_removes_one_of_two_factors_in_parallel(app, client, make_user):
    user = make_user(factors=["totp"])
    user.tokens = client.renew(user.tokens)
    Browser(client, Authenticator(), user).register()
    mine, ids = client.as_(user.tokens), factor_ids(client, user.tokens)

    responses = run_in_parallel(
        *(
            partial(mine.delete, f"/auth/mfa/factors/{ids[kind]}")
            for kind in ("totp", "passkey")
            for _ in range(3)
        )
    )

    found = sorted(status_and_code(response) for response in responses)
    assert found.count(REMOVED) == 1
    assert set(found) <= {REMOVED, STEP_UP, (404, "not_found")}
    assert {row.kind for row in rows(app, Credential)} & {"totp", "passkey"}


@pytest.mark.stores
@pytest.mark.requirement("MF-10")
@pytest.mark.parametrize("session", ["the same", "another"])
def test_passkey_is_not_added_at_aal1_while_the_first_factor_is_confirmed(
    app, client, make_user, monkeypatch, session
):
    user = make_user()
    first = client.as_(client.log_in(user))
    owner = first if session == "the same" else client.as_(client.log_in(user))
    totp = owner.post("/auth/mfa/factors", {"kind": "totp"}).json
    user.secret = totp["secret"]
    verify, confirmed = passkey_registration.verify_registration, []

    def confirm_meanwhile(*arguments):
        path = f"/auth/mfa/factors/{totp['id']}/confirm"
        confirmed.extend(run_in_parallel(partial(owner.post, path, {"code": user.totp()})))
        return verify(*arguments)

    options = first.post("/auth/passkeys/registration/options").json
    credential = Authenticator().create(options["public_key"])
    monkeypatch.setattr(passkey_registration, "verify_registration", confirm_meanwhile)
    response = first.post("/auth/passkeys/registration/verify", {"credential": credential})

    assert [one.status_code for one in confirmed] == [200]
    expected = STEP_UP if session == "the same" else (401, "session_ended")
    assert status_and_code(response) == expected
    assert {row.kind for row in rows(app, Credential)} == {"totp", "recovery_codes"}


@pytest.mark.requirement("MF-10")
def test_enrolments_in_parallel_keep_the_limit_of_factors(app, client, make_user, monkeypatch):
    monkeypatch.setattr("gatehouse.mfa.service.MAX_FACTORS", 3)
    user = make_user(factors=["totp"])
    mine = client.as_(client.renew(user.tokens))
    challenges = [mine.post("/auth/mfa/factors", {"kind": kind}).json for kind in ("email", "totp")]
    user.secret = challenges[1]["secret"]
    codes = (otp.read_code(client, user, "email"), user.totp())

    statuses = [
        mine.post(f"/auth/mfa/factors/{factor['id']}/confirm", {"code": code}).status_code
        for factor, code in zip(challenges, codes, strict=True)
    ]

    assert statuses == [200, 409]
    assert len([row for row in rows(app, Credential) if row.confirmed_at]) == 3


# Where the policy requires a second factor


@pytest.mark.stores
@pytest.mark.requirement("MF-01")
def test_removal_of_the_last_factor_ends_the_session_where_one_is_required(
    app, client, make_user, monkeypatch
):
    user = make_user(factors=["totp"])
    tokens = client.renew(user.tokens)
    require_mfa(app, monkeypatch)

    removed = client.as_(tokens).delete(f"/auth/mfa/factors/{factor_ids(client, tokens)['totp']}")

    assert removed.status_code == 204
    assert status_and_code(client.refresh(tokens)) == (401, "session_ended")
    assert client.as_(tokens).get("/auth/me").status_code == 401
    assert audited(app, "session.ended")[-1].details == {"reason": "factor_removed"}


def require_mfa(app, monkeypatch):
    """Require a second factor of all users from now on."""
    strict = replace(app.extensions["gatehouse.settings"], mfa="required")
    monkeypatch.setitem(app.extensions, "gatehouse.settings", strict)


# A password change


@pytest.mark.requirement("RG-09")
def test_password_change_on_a_trusted_device_needs_the_second_factor(client, make_user):
    user = make_user(factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user), remember_device=True)
    login = {"identifier": user.email, "password": PASSWORD}
    low = client.post("/auth/login", login, headers={"X-Device-Token": tokens["device_token"]}).json
    change = {"current_password": PASSWORD, "password": NEW}

    rejected = client.as_(low).post("/auth/password/change", change)
    second_factor = {"factor": "recovery_codes", "code": user.recovery_codes[0]}
    stepped_up = client.as_(low).post("/auth/reauthenticate", second_factor).json
    allowed = client.as_(stepped_up).post("/auth/password/change", change)

    assert status_and_code(rejected) == STEP_UP
    assert 'acr_values="aal2"' in rejected.headers["WWW-Authenticate"]
    assert allowed.status_code == 204


@pytest.mark.requirement("RG-04")
def test_password_change_keeps_the_channel_that_set_the_password(app, client, make_user):
    make_user(email=ADA)
    reset_password(client, NEW, token=request_reset_mail(client)["token"])
    mine = client.as_(client.log_in(User(ADA, NEW)))

    change = {"current_password": NEW, "password": "nine yellow kites"}

    assert mine.post("/auth/password/change", change).status_code == 204
    assert rows(app, Password)[0].set_via == "email"
