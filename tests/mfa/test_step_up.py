"""Step-up: what needs a recent authentication, and when sessions are downgraded."""

import pytest

from models import Device, Session
from tests.client import PASSWORD, User
from tests.mfa.otp import NUMBER
from tests.rows import rows


def reauthenticate(client, tokens, **form):
    return client.as_(tokens).post("/auth/reauthenticate", form)


@pytest.mark.requirement("MF-10")
@pytest.mark.requirement("MF-12")
@pytest.mark.requirement("RG-09")
def test_factor_cannot_be_added_by_an_aal1_session_of_a_user_with_a_factor(client, make_user):
    user = make_user(factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user), remember_device=True)
    headers = {"X-Device-Token": tokens["device_token"]}
    form = {"identifier": user.email, "password": PASSWORD}
    low = client.post("/auth/login", form, headers=headers).json

    rejected = client.as_(low).post("/auth/mfa/factors", {"kind": "totp"})

    assert (rejected.status_code, rejected.json["code"]) == (
        401,
        "insufficient_user_authentication",
    )
    assert 'acr_values="aal2"' in rejected.headers["WWW-Authenticate"]
    form = {"code": user.recovery_codes[0], "factor": "recovery_codes"}
    stepped_up = reauthenticate(client, low, **form)
    assert (
        client.as_(stepped_up.json).post("/auth/mfa/factors", {"kind": "totp"}).status_code == 201
    )
    older = client.as_(low).post("/auth/mfa/factors", {"kind": "totp"})
    assert older.status_code == 401  # the token from before may be in other hands


@pytest.mark.requirement("MF-10")
def test_second_totp_is_added_at_aal2_notified_and_offered_in_logins(client, make_user):
    user = make_user(factors=["totp"])
    first = user.secret
    user.tokens = client.renew(user.tokens)  # the session stepped up with the first factor
    challenge = client.log_in(User(user.email))

    client.enrol_totp(user, "Tablet")

    pending = client.as_(challenge["mfa_token"]).post("/auth/mfa/factors", {"kind": "totp"})
    assert pending.status_code == 401
    offered = [(factor["kind"], factor.get("label")) for factor in client.log_in(user)["factors"]]
    assert offered == [("totp", "Phone"), ("totp", "Tablet"), ("recovery_codes", None)]
    added = [m for m in client.mailbox(to=user.email) if m["template"] == "notice_factor_added"]
    assert len(added) == 2
    assert first != user.secret
    assert client.complete_mfa(user, client.log_in(user))["status"] == "authenticated"
    user.secret = first
    assert client.complete_mfa(user, client.log_in(user))["status"] == "authenticated"


@pytest.mark.requirement("RG-09")
@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("POST", "/auth/email/change", {"email": "new@example.com"}),
        ("POST", "/auth/phone", {"phone": NUMBER}),
        ("POST", "/auth/phone/verify", {"phone": NUMBER, "code": "123456"}),
        ("DELETE", "/auth/phone", None),
    ],
)
def test_email_and_phone_change_needs_mfa_of_a_user_with_a_factor(
    client, make_user, method, path, form
):
    user = make_user(factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user), remember_device=True)
    headers = {"X-Device-Token": tokens["device_token"]}
    login = {"identifier": user.email, "password": PASSWORD}
    low = client.post("/auth/login", login, headers=headers).json
    second_factor = {"code": user.recovery_codes[0], "factor": "recovery_codes"}

    def change(tokens):
        signed_in = client.as_(tokens)
        return signed_in.delete(path) if method == "DELETE" else signed_in.post(path, form)

    rejected, allowed = change(low), change(reauthenticate(client, low, **second_factor).json)

    assert (rejected.status_code, rejected.json["code"]) == (
        401,
        "insufficient_user_authentication",
    )
    assert 'acr_values="aal2"' in rejected.headers["WWW-Authenticate"]
    assert b"insufficient_user_authentication" not in allowed.data


@pytest.mark.requirement("MF-12")
@pytest.mark.requirement("SE-03")
def test_session_that_is_not_recent_steps_up_and_keeps_its_id(
    app, either_client, client, make_user, wait
):
    user = make_user()
    tokens = either_client.log_in(user)
    wait(minutes=9)
    tokens = either_client.renew(tokens)
    wait(minutes=2)
    signed_in = either_client.as_(tokens)
    assert signed_in.post("/auth/mfa/factors", {"kind": "totp"}).status_code == 401

    stepped_up = signed_in.post("/auth/reauthenticate", {"password": PASSWORD})

    new_tokens = signed_in.read_tokens(stepped_up)
    response = either_client.as_(new_tokens).post("/auth/mfa/factors", {"kind": "totp"})
    assert (stepped_up.status_code, response.status_code) == (200, 201)
    [session] = rows(app, Session)
    assert session.ended_at is None
    repeated = either_client.refresh(tokens)  # the replaced token, within the reuse interval
    assert repeated.status_code == 200
    either_client.renew(either_client.read_tokens(repeated))
    wait(seconds=11)
    assert either_client.refresh(tokens).json["code"] == "refresh_token_reused"


@pytest.mark.requirement("RL-03")
def test_reauthentication_shares_the_attempt_counter_of_logins(client, make_user):
    user = make_user(factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user))

    statuses = [reauthenticate(client, tokens, code="000000").status_code for _ in range(6)]

    assert statuses == [401] * 5 + [429]
    form = {"mfa_token": client.log_in(user)["mfa_token"], "factor": "totp", "code": "000000"}
    assert client.post("/auth/login/mfa", form).status_code == 429


@pytest.mark.requirement("SE-04")
def test_aal2_is_downgraded_after_an_hour_without_use(app, client, make_user, wait):
    user = make_user(factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user))
    wait(minutes=61)

    client.renew(tokens)

    session = rows(app, Session)[-1]
    assert (session.acr, session.amr, session.aal2_authenticated_at) == ("aal1", ["pwd"], None)


@pytest.mark.requirement("SE-04")
@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_session_ends_with_its_aal2_where_a_factor_is_required(app, client, make_user, wait):
    user = make_user()
    challenge = client.log_in(user)
    assert (challenge["status"], challenge["kinds"]) == (
        "mfa_enrolment_required",
        ["totp", "passkey"],
    )
    form = {"mfa_token": challenge["mfa_token"], "kind": "totp"}
    factor = client.post("/auth/login/mfa/enrolment", form).json
    user.secret = factor["secret"]
    form = {"mfa_token": challenge["mfa_token"], "factor_id": factor["id"], "code": user.totp()}
    tokens = client.post("/auth/login/mfa/enrolment/confirm", form).json
    assert len(tokens["recovery_codes"]) == 10
    assert rows(app, Session)[-1].acr == "aal2"
    wait(minutes=61)

    assert client.refresh(tokens).json["code"] == "session_ended"


@pytest.mark.requirement("MF-01")
@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles", GATEHOUSE_MFA_ROLES="user")
def test_policy_can_require_a_factor_for_a_role(client, make_user):
    assert client.log_in(make_user())["status"] == "mfa_enrolment_required"


@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles")
def test_policy_for_roles_does_not_apply_to_other_roles(client, make_user):
    assert client.log_in(make_user())["status"] == "authenticated"


@pytest.mark.settings(GATEHOUSE_FACTORS="recovery_codes")
def test_factor_kind_that_is_disabled_cannot_be_enrolled(client, make_user):
    tokens = client.log_in(make_user())

    rejected = client.as_(tokens).post("/auth/mfa/factors", {"kind": "totp"})

    assert (rejected.status_code, rejected.json["code"]) == (403, "factor_unavailable")


@pytest.mark.requirement("MF-09")
@pytest.mark.requirement("SE-07")
def test_factor_removal_ends_other_sessions_and_downgrades_the_current_one(app, client, make_user):
    user = make_user(factors=["totp"])
    old = client.complete_mfa(user, client.log_in(user))
    with_codes = {"factor": "recovery_codes", "code": user.recovery_codes[0]}
    here = client.complete_mfa(user, client.log_in(user), **with_codes)
    [factor, _] = client.as_(here).get("/auth/mfa/factors").json["items"]

    assert client.as_(here).delete(f"/auth/mfa/factors/{factor['id']}").status_code == 204

    assert client.as_(old).get("/auth/me").status_code == 401
    assert client.as_(client.renew(here)).get("/auth/mfa/factors").json["items"] == []
    assert rows(app, Session)[-1].acr == "aal1"
    assert client.mailbox(to=user.email)[0]["template"] == "notice_factor_removed"
    assert client.log_in(user)["status"] == "authenticated"


@pytest.mark.requirement("MF-13")
def test_trusted_device_needs_mfa_after_a_password_change(app, client, make_user, wait):
    user = make_user(factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user), remember_device=True)
    headers = {"X-Device-Token": tokens["device_token"]}
    form = {"identifier": user.email, "password": PASSWORD}
    skipped = client.post("/auth/login", form, headers=headers).json
    assert skipped["status"] == "authenticated"
    other = client.post("/auth/login", form).json
    assert other["status"] == "mfa_required"

    changed = {"current_password": PASSWORD, "password": "another long phrase instead"}
    second_factor = {"factor": "recovery_codes", "code": user.recovery_codes[0]}
    stepped_up = reauthenticate(client, skipped, **second_factor).json
    assert client.as_(stepped_up).post("/auth/password/change", changed).status_code == 204

    form["password"] = changed["password"]
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"
    assert all(device.remembered_until is None for device in rows(app, Device))


@pytest.mark.requirement("MF-13")
def test_trusted_device_needs_mfa_after_a_factor_is_added_or_removed(client, make_user):
    user = make_user(factors=["totp"])
    form = {"identifier": user.email, "password": PASSWORD}
    statuses = []
    for number, change in enumerate(("none", "added", "removed")):
        code = {"factor": "recovery_codes", "code": user.recovery_codes[number]}
        step = {"mfa_token": client.log_in(user)["mfa_token"], "remember_device": True, **code}
        user.tokens = client.post("/auth/login/mfa", step).json
        signed_in = client.as_(user.tokens)
        if change == "added":
            client.enrol_totp(user, "Tablet")
        if change == "removed":
            [first, *_] = signed_in.get("/auth/mfa/factors").json["items"]
            assert signed_in.delete(f"/auth/mfa/factors/{first['id']}").status_code == 204
        headers = {"X-Device-Token": user.tokens["device_token"]}
        statuses.append(client.post("/auth/login", form, headers=headers).json["status"])

    assert statuses == ["authenticated", "mfa_required", "mfa_required"]


@pytest.mark.requirement("AZ-02")
@pytest.mark.requirement("MF-13")
def test_trusted_device_is_listed_and_revoked_by_its_user_only(client, make_user):
    user, other = make_user(factors=["totp"]), make_user()
    tokens = client.complete_mfa(user, client.log_in(user), remember_device=True)
    signed_in, other_client = client.as_(tokens), client.as_(client.log_in(other))
    [device] = signed_in.get("/auth/devices").json["items"]

    foreign = other_client.delete(f"/auth/devices/{device['id']}")
    listed = signed_in.get("/auth/devices").json["items"]
    revoked = signed_in.delete(f"/auth/devices/{device['id']}")

    assert (foreign.status_code, revoked.status_code) == (404, 204)
    assert (listed, signed_in.get("/auth/devices").json["items"]) == ([device], [])
    assert tokens["device_token"] not in str(device)
    form = {"identifier": user.email, "password": PASSWORD}
    headers = {"X-Device-Token": tokens["device_token"]}
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"


@pytest.mark.stores
@pytest.mark.requirement("MF-13")
def test_trusted_device_is_created_once_in_twenty_parallel_requests(app, client, make_user):
    user = make_user(factors=["totp"])
    challenge = client.log_in(user)
    form = {"mfa_token": challenge["mfa_token"], "factor": "totp", "code": user.totp()}

    responses = client.in_parallel(20, "/auth/login/mfa", form | {"remember_device": True})

    assert sorted(response.status_code for response in responses) == [200] + [401] * 19
    assert len([device for device in rows(app, Device) if device.remembered_until]) == 1


@pytest.mark.requirement("MF-13")
def test_trusted_device_is_trusted_for_one_user_and_thirty_days(client, make_user, wait):
    user, other = make_user(factors=["totp"]), make_user(factors=["totp"])
    tokens = client.complete_mfa(user, client.log_in(user), remember_device=True)
    headers = {"X-Device-Token": tokens["device_token"]}

    form = {"identifier": other.email, "password": PASSWORD}
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"
    assert len(client.as_(tokens).get("/auth/devices").json["items"]) == 1

    wait(days=30, seconds=1)
    form = {"identifier": user.email, "password": PASSWORD}
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_password_of_eight_characters_is_accepted_where_all_users_need_a_factor(client):
    assert client.register("ann@example.com", "tulpe 83 xq").status_code == 202
    assert client.register("bob@example.com", "kq7 x2p").status_code == 422


def test_password_of_eight_characters_is_too_short_otherwise(client):
    assert client.register("ann@example.com", "tulpe 83 xq").status_code == 422
