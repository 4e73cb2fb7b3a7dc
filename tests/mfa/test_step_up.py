"""Proving anew who one is, and what needs it; sessions fall back when nobody does."""

import pytest

from models import Device, Session
from tests.client import PASSWORD, User
from tests.mfa.otp import NUMBER
from tests.rows import rows


def reauthenticate(client, tokens, **proof):
    return client.as_(tokens).post("/auth/reauthenticate", proof)


@pytest.mark.requirement("MF-10")
@pytest.mark.requirement("MF-12")
@pytest.mark.requirement("RG-09")
def test_an_aal1_session_of_somebody_with_a_factor_cannot_add_one(client, make_user):
    user = make_user(factors=["totp"])
    tokens = client.second_step(user, client.log_in(user), remember_device=True)
    headers = {"X-Device-Token": tokens["device_token"]}
    form = {"identifier": user.email, "password": PASSWORD}
    low = client.post("/auth/login", form, headers=headers).json

    refused = client.as_(low).post("/auth/mfa/factors", {"kind": "totp"})

    assert (refused.status_code, refused.json["code"]) == (401, "insufficient_user_authentication")
    assert 'acr_values="aal2"' in refused.headers["WWW-Authenticate"]
    form = {"code": user.recovery_codes[0], "factor": "recovery_codes"}
    raised = reauthenticate(client, low, **form)
    assert client.as_(raised.json).post("/auth/mfa/factors", {"kind": "totp"}).status_code == 201


@pytest.mark.requirement("MF-10")
def test_a_second_factor_of_a_kind_is_added_at_the_highest_level_told_and_asked_for(
    client, make_user
):
    user = make_user(factors=["totp"])
    first = user.secret
    user.tokens = client.renew(user.tokens)  # it rose with the first one
    question = client.log_in(User(user.email))

    client.enrol_totp(user, "Tablet")

    pending = client.as_(question["mfa_token"]).post("/auth/mfa/factors", {"kind": "totp"})
    assert pending.status_code == 401
    offers = [(offer["kind"], offer.get("label")) for offer in client.log_in(user)["factors"]]
    assert offers == [("totp", "Phone"), ("totp", "Tablet"), ("recovery_codes", None)]
    added = [m for m in client.mailbox(to=user.email) if m["template"] == "notice_factor_added"]
    assert len(added) == 2
    assert first != user.secret
    assert client.second_step(user, client.log_in(user))["status"] == "authenticated"
    user.secret = first
    assert client.second_step(user, client.log_in(user))["status"] == "authenticated"


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
def test_who_has_a_second_factor_proves_it_before_an_address_changes(
    client, make_user, method, path, form
):
    user = make_user(factors=["totp"])
    tokens = client.second_step(user, client.log_in(user), remember_device=True)
    headers = {"X-Device-Token": tokens["device_token"]}
    login = {"identifier": user.email, "password": PASSWORD}
    low = client.post("/auth/login", login, headers=headers).json
    proof = {"code": user.recovery_codes[0], "factor": "recovery_codes"}

    def change(tokens):
        mine = client.as_(tokens)
        return mine.delete(path) if method == "DELETE" else mine.post(path, form)

    refused, allowed = change(low), change(reauthenticate(client, low, **proof).json)

    assert (refused.status_code, refused.json["code"]) == (401, "insufficient_user_authentication")
    assert 'acr_values="aal2"' in refused.headers["WWW-Authenticate"]
    assert b"insufficient_user_authentication" not in allowed.data


@pytest.mark.requirement("MF-12")
@pytest.mark.requirement("SE-03")
def test_a_stale_session_steps_up_and_keeps_its_id(app, either_client, client, make_user, wait):
    user = make_user()
    tokens = either_client.log_in(user)
    wait(minutes=9)
    tokens = either_client.renew(tokens)
    wait(minutes=2)
    mine = either_client.as_(tokens)
    assert mine.post("/auth/mfa/factors", {"kind": "totp"}).status_code == 401

    fresh = mine.post("/auth/reauthenticate", {"password": PASSWORD})

    held = mine.held(fresh) if hasattr(mine, "held") else fresh.json
    answer = either_client.as_(held).post("/auth/mfa/factors", {"kind": "totp"})
    assert (fresh.status_code, answer.status_code) == (200, 201)
    [session] = rows(app, Session)
    assert session.ended_at is None
    repeated = either_client.refresh(tokens)  # of the token that was replaced: within the grace
    assert repeated.status_code == 200
    wait(seconds=11)
    assert either_client.refresh(tokens).json["code"] == "refresh_token_reused"


@pytest.mark.requirement("RL-03")
def test_wrong_proofs_count_where_those_of_a_login_do(client, make_user):
    user = make_user(factors=["totp"])
    tokens = client.second_step(user, client.log_in(user))

    told = [reauthenticate(client, tokens, code="000000").status_code for _ in range(6)]

    assert told == [401] * 5 + [429]
    form = {"mfa_token": client.log_in(user)["mfa_token"], "factor": "totp", "code": "000000"}
    assert client.post("/auth/login/mfa", form).status_code == 429


@pytest.mark.requirement("SE-04")
def test_aal2_falls_back_after_an_hour_alone(app, client, make_user, wait):
    user = make_user(factors=["totp"])
    tokens = client.second_step(user, client.log_in(user))
    wait(minutes=61)

    client.renew(tokens)

    session = rows(app, Session)[-1]
    assert (session.acr, session.amr, session.raised_at) == ("aal1", ["pwd"], None)


@pytest.mark.requirement("SE-04")
@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_aal2_ends_where_the_policy_wants_it(app, client, make_user, wait):
    user = make_user()
    wanted = client.log_in(user)
    assert (wanted["status"], wanted["kinds"]) == ("mfa_enrolment_required", ["totp", "passkey"])
    form = {"mfa_token": wanted["mfa_token"], "kind": "totp"}
    factor = client.post("/auth/login/mfa/enrolment", form).json
    user.secret = factor["secret"]
    form = {"mfa_token": wanted["mfa_token"], "factor_id": factor["id"], "code": user.totp()}
    tokens = client.post("/auth/login/mfa/enrolment/confirm", form).json
    assert len(tokens["recovery_codes"]) == 10
    assert rows(app, Session)[-1].acr == "aal2"
    wait(minutes=61)

    assert client.refresh(tokens).json["code"] == "session_ended"


@pytest.mark.requirement("MF-01")
@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles", GATEHOUSE_MFA_ROLES="user")
def test_a_role_can_require_a_factor(client, make_user):
    assert client.log_in(make_user())["status"] == "mfa_enrolment_required"


@pytest.mark.settings(GATEHOUSE_MFA="required_for_roles")
def test_other_roles_need_none(client, make_user):
    assert client.log_in(make_user())["status"] == "authenticated"


@pytest.mark.settings(GATEHOUSE_FACTORS="recovery_codes")
def test_a_kind_that_is_switched_off_cannot_be_set_up(client, make_user):
    tokens = client.log_in(make_user())

    refused = client.as_(tokens).post("/auth/mfa/factors", {"kind": "totp"})

    assert (refused.status_code, refused.json["code"]) == (403, "factor_not_offered")


@pytest.mark.requirement("MF-09")
@pytest.mark.requirement("SE-07")
def test_a_factor_that_is_removed_raises_nothing_any_more(app, client, make_user):
    user = make_user(factors=["totp"])
    old = client.second_step(user, client.log_in(user))
    with_codes = {"factor": "recovery_codes", "code": user.recovery_codes[0]}
    here = client.second_step(user, client.log_in(user), **with_codes)
    [factor, _] = client.as_(here).get("/auth/mfa/factors").json["items"]

    assert client.as_(here).delete(f"/auth/mfa/factors/{factor['id']}").status_code == 204

    assert client.as_(old).get("/auth/me").status_code == 401
    assert client.as_(client.renew(here)).get("/auth/mfa/factors").json["items"] == []
    assert rows(app, Session)[-1].acr == "aal1"
    assert client.mailbox(to=user.email)[0]["template"] == "notice_factor_removed"
    assert client.log_in(user)["status"] == "authenticated"


@pytest.mark.requirement("MF-13")
def test_a_remembered_device_is_asked_again_after_a_change(app, client, make_user, wait):
    user = make_user(factors=["totp"])
    tokens = client.second_step(user, client.log_in(user), remember_device=True)
    headers = {"X-Device-Token": tokens["device_token"]}
    form = {"identifier": user.email, "password": PASSWORD}
    skipped = client.post("/auth/login", form, headers=headers).json
    assert skipped["status"] == "authenticated"
    other = client.post("/auth/login", form).json
    assert other["status"] == "mfa_required"

    changed = {"current_password": PASSWORD, "password": "another long phrase instead"}
    assert client.as_(skipped).post("/auth/password/change", changed).status_code == 204

    form["password"] = changed["password"]
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"
    assert all(device.remembered_until is None for device in rows(app, Device))


@pytest.mark.requirement("MF-13")
def test_a_remembered_device_is_asked_again_after_a_factor_is_added_or_removed(client, make_user):
    user = make_user(factors=["totp"])
    form = {"identifier": user.email, "password": PASSWORD}
    told = []
    for number, change in enumerate(("none", "added", "removed")):
        code = {"factor": "recovery_codes", "code": user.recovery_codes[number]}
        step = {"mfa_token": client.log_in(user)["mfa_token"], "remember_device": True, **code}
        user.tokens = client.post("/auth/login/mfa", step).json
        mine = client.as_(user.tokens)
        if change == "added":
            client.enrol_totp(user, "Tablet")
        if change == "removed":
            [first, *_] = mine.get("/auth/mfa/factors").json["items"]
            assert mine.delete(f"/auth/mfa/factors/{first['id']}").status_code == 204
        headers = {"X-Device-Token": user.tokens["device_token"]}
        told.append(client.post("/auth/login", form, headers=headers).json["status"])

    assert told == ["authenticated", "mfa_required", "mfa_required"]


@pytest.mark.requirement("MF-13")
def test_a_remembered_device_is_listed_and_its_owner_alone_forgets_it(client, make_user):
    user, other = make_user(factors=["totp"]), make_user()
    tokens = client.second_step(user, client.log_in(user), remember_device=True)
    mine, theirs = client.as_(tokens), client.as_(client.log_in(other))
    [device] = mine.get("/auth/devices").json["items"]

    foreign = theirs.delete(f"/auth/devices/{device['id']}")
    kept = mine.get("/auth/devices").json["items"]
    forgotten = mine.delete(f"/auth/devices/{device['id']}")

    assert (foreign.status_code, forgotten.status_code) == (404, 204)
    assert (kept, mine.get("/auth/devices").json["items"]) == ([device], [])
    assert tokens["device_token"] not in str(device)
    form = {"identifier": user.email, "password": PASSWORD}
    headers = {"X-Device-Token": tokens["device_token"]}
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"


@pytest.mark.stores
@pytest.mark.requirement("MF-13")
def test_of_twenty_that_want_to_be_remembered_at_once_one_device_is(app, client, make_user):
    user = make_user(factors=["totp"])
    question = client.log_in(user)
    form = {"mfa_token": question["mfa_token"], "factor": "totp", "code": user.totp()}

    answers = client.in_parallel(20, "/auth/login/mfa", form | {"remember_device": True})

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert len([device for device in rows(app, Device) if device.remembered_until]) == 1


@pytest.mark.requirement("MF-13")
def test_a_remembered_device_is_somebodys_and_for_thirty_days(client, make_user, wait):
    user, other = make_user(factors=["totp"]), make_user(factors=["totp"])
    tokens = client.second_step(user, client.log_in(user), remember_device=True)
    headers = {"X-Device-Token": tokens["device_token"]}

    form = {"identifier": other.email, "password": PASSWORD}
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"
    assert len(client.as_(tokens).get("/auth/devices").json["items"]) == 1

    wait(days=30, seconds=1)
    form = {"identifier": user.email, "password": PASSWORD}
    assert client.post("/auth/login", form, headers=headers).json["status"] == "mfa_required"


@pytest.mark.settings(GATEHOUSE_MFA="required")
def test_a_password_of_eight_is_enough_where_everybody_needs_a_factor(client):
    assert client.register("ann@example.com", "tulpe 83 xq").status_code == 202
    assert client.register("bob@example.com", "kq7 x2p").status_code == 422


def test_it_is_too_short_elsewhere(client):
    assert client.register("ann@example.com", "tulpe 83 xq").status_code == 422
