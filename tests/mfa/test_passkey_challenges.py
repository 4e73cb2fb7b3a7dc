"""Passkey challenges: random, single use, short-lived, bound to one ceremony and requester."""

import pytest

from models import Credential, OneTimeCode, Session
from tests.mfa.authenticator import b64, unb64
from tests.mfa.conftest import (
    REJECTED,
    VERIFY,
    is_rejected,
    is_success,
    rejection_reasons,
    status_and_code,
)
from tests.rows import rows

UNKNOWN = "challenge unknown, expired or used"


@pytest.mark.requirement("WA-01")
@pytest.mark.parametrize("ceremony", ["registration", "authentication"])
def test_challenge_has_32_random_bytes_and_is_stored_as_a_digest(app, browser, ceremony):
    challenges = [browser.request_options(ceremony)["public_key"]["challenge"] for _ in range(50)]

    stored = [value for row in rows(app, OneTimeCode) for value in vars(row).values()]
    assert {len(unb64(challenge)) for challenge in challenges} == {32}
    assert len(set(challenges)) == 50
    assert not set(challenges) & {value for value in stored if isinstance(value, str)}


@pytest.mark.requirement("WA-01")
@pytest.mark.parametrize("ceremony", ["registration", "authentication"])
def test_challenge_is_accepted_once(app, registered_browser, new_browser, ceremony):
    browser = new_browser() if ceremony == "registration" else registered_browser
    perform = browser.register if ceremony == "registration" else browser.sign_in
    options = browser.request_options(ceremony)

    assert is_success(perform(options))

    assert is_rejected(perform(options))
    assert rejection_reasons(app) == [UNKNOWN]


@pytest.mark.stores
@pytest.mark.requirement("WA-01")
def test_challenge_in_twenty_parallel_logins_opens_one_session(app, registered_browser):
    options = registered_browser.request_options()
    credential = registered_browser.authenticator.get(options["public_key"])
    before = len(rows(app, Session))

    form = {"login_token": options["login_token"], "credential": credential}
    responses = registered_browser.client.in_parallel(20, VERIFY.format("authentication"), form)

    assert sorted(response.status_code for response in responses) == [200] + [401] * 19
    assert len(rows(app, Session)) == before + 1


@pytest.mark.stores
@pytest.mark.requirement("WA-01")
def test_challenge_in_twenty_parallel_registrations_registers_one_passkey(app, browser):
    public_key = browser.request_options("registration")["public_key"]
    form = {"credential": browser.authenticator.create(public_key)}

    signed_in = browser.client.as_(browser.user.tokens)
    responses = signed_in.in_parallel(20, VERIFY.format("registration"), form)

    assert sorted(response.status_code for response in responses) == [201] + [401] * 19
    assert len(rows(app, Credential, kind="passkey")) == 1


@pytest.mark.requirement("WA-01")
@pytest.mark.parametrize("ceremony", ["registration", "authentication"])
@pytest.mark.parametrize(("seconds", "works"), [(295, True), (301, False)])
def test_challenge_expires_after_five_minutes(
    registered_browser, new_browser, wait, ceremony, seconds, works
):
    browser = new_browser() if ceremony == "registration" else registered_browser
    perform = browser.register if ceremony == "registration" else browser.sign_in
    options = browser.request_options(ceremony)

    wait(seconds=seconds)

    assert options["expires_in"] == 300
    assert is_success(perform(options)) is works


@pytest.mark.requirement("WA-01")
def test_challenge_of_one_ceremony_is_rejected_in_the_other(app, registered_browser, new_browser):
    other = new_browser()
    login_options, creation_options = (
        registered_browser.request_options(),
        other.request_options("registration"),
    )

    registered = other.register(
        creation_options, challenge=login_options["public_key"]["challenge"]
    )
    signed_in = registered_browser.sign_in(
        login_options, challenge=creation_options["public_key"]["challenge"]
    )

    assert (status_and_code(registered), status_and_code(signed_in)) == (REJECTED, REJECTED)
    assert rejection_reasons(app) == [UNKNOWN, UNKNOWN]


@pytest.mark.requirement("WA-01")
def test_challenge_is_bound_to_the_session_that_requested_it(app, browser, new_browser):
    options, other_user = browser.request_options("registration"), new_browser()
    other_session = new_browser(browser.user, credential_id=b"elsewhere")
    other_session.client.log_in(browser.user)

    assert is_rejected(other_user.register(options))
    assert is_rejected(other_session.register(options))
    assert rejection_reasons(app) == ["challenge of another session or login"] * 2


@pytest.mark.requirement("WA-01")
def test_challenge_is_bound_to_its_login_token(app, registered_browser):
    own, other = registered_browser.request_options(), registered_browser.request_options()

    mixed = registered_browser.sign_in({**own, "login_token": other["login_token"]})

    assert is_rejected(mixed)
    assert rejection_reasons(app) == ["challenge of another session or login"]
    assert is_success(registered_browser.sign_in(own))


@pytest.mark.requirement("WA-01")
def test_challenge_that_was_never_issued_is_rejected(app, perform_ceremony):
    challenges = ["", "AAAA", b64(bytes(32))]

    assert [status_and_code(perform_ceremony(challenge=challenge)) for challenge in challenges] == [
        REJECTED
    ] * 3
    assert rejection_reasons(app) == [UNKNOWN] * 3


@pytest.mark.requirement("WA-01")
def test_challenge_accepts_twenty_attempts_at_most(registered_browser):
    options = registered_browser.request_options()

    for _ in range(20):
        assert is_rejected(registered_browser.sign_in(options, rp_id="evil.example"))

    assert is_rejected(registered_browser.sign_in(options))
    assert is_success(registered_browser.sign_in())


@pytest.mark.requirement("WA-12")
def test_user_handle_is_opaque_and_stable(app, registered_browser, new_browser):
    other = new_browser()
    user_ids = [str(row.user_id) for row in rows(app, Session)]

    handles = [
        b.request_options("registration")["public_key"]["user"]["id"]
        for b in (registered_browser, other)
    ]
    again = [
        b.request_options("registration")["public_key"]["user"]["id"]
        for b in (registered_browser, other)
    ]

    decoded = [unb64(handle) for handle in handles]
    bare = [user_id.replace("-", "") for user_id in user_ids]
    secrets = [registered_browser.user.email, other.user.email, *user_ids, *bare]
    assert handles == again
    assert handles[0] == registered_browser.authenticator.user_handle
    assert len(set(handles)) == 2
    assert {len(handle) for handle in decoded} == {32}
    assert not [s for s in secrets for h in decoded if s.encode() in h or s in h.hex()]


@pytest.mark.requirement("WA-12", "RL-07")
def test_login_options_reveal_nothing_about_users(app, client, new_browser):
    path = "/auth/passkeys/authentication/options"
    before = client.post(path)
    new_browser().register()

    after = client.post(path)

    bodies = [response.json for response in (before, after)]
    for options in bodies:
        options["public_key"].pop("challenge")
        options.pop("login_token")
    assert bodies[0] == bodies[1]
    assert bodies[0]["public_key"]["allowCredentials"] == []
    assert [*before.headers.keys()] == [*after.headers.keys()]
