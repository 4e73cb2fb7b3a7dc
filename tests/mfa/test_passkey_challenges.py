"""A challenge is random, and good once and soon, for one ceremony of whoever asked."""

import pytest

from models import Challenge, Credential, Session
from tests.mfa.authenticator import b64, unb64
from tests.mfa.conftest import REFUSED, VERIFY, succeeds, told, whys
from tests.rows import rows

UNKNOWN = "challenge unknown, expired or used"


@pytest.mark.requirement("WA-01")
@pytest.mark.parametrize("ceremony", ["registration", "authentication"])
def test_a_challenge_has_32_random_bytes_and_is_kept_as_a_digest(app, browser, ceremony):
    found = [browser.options(ceremony)["public_key"]["challenge"] for _ in range(50)]

    kept = [value for row in rows(app, Challenge) for value in vars(row).values()]
    assert {len(unb64(challenge)) for challenge in found} == {32}
    assert len(set(found)) == 50
    assert not set(found) & {value for value in kept if isinstance(value, str)}


@pytest.mark.requirement("WA-01")
@pytest.mark.parametrize("ceremony", ["registration", "authentication"])
def test_an_answer_is_good_once(app, ready, new_browser, ceremony):
    browser = new_browser() if ceremony == "registration" else ready
    act = browser.register if ceremony == "registration" else browser.sign_in
    asked = browser.options(ceremony)

    assert succeeds(act(asked))

    assert told(act(asked)) == REFUSED
    assert whys(app) == [UNKNOWN]


@pytest.mark.stores
@pytest.mark.requirement("WA-01")
def test_an_answer_posted_twenty_times_at_once_opens_one_session(app, ready):
    asked = ready.options()
    credential = ready.authenticator.get(asked["public_key"])
    before = len(rows(app, Session))

    form = {"login_token": asked["login_token"], "credential": credential}
    answers = ready.client.in_parallel(20, VERIFY.format("authentication"), form)

    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert len(rows(app, Session)) == before + 1


@pytest.mark.stores
@pytest.mark.requirement("WA-01")
def test_a_passkey_posted_twenty_times_at_once_is_registered_once(app, browser):
    public_key = browser.options("registration")["public_key"]
    form = {"credential": browser.authenticator.create(public_key)}

    signed_in = browser.client.as_(browser.user.tokens)
    answers = signed_in.in_parallel(20, VERIFY.format("registration"), form)

    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 19
    assert len(rows(app, Credential, kind="passkey")) == 1


@pytest.mark.requirement("WA-01")
@pytest.mark.parametrize("ceremony", ["registration", "authentication"])
@pytest.mark.parametrize(("seconds", "works"), [(295, True), (301, False)])
def test_a_challenge_lives_for_five_minutes(ready, new_browser, wait, ceremony, seconds, works):
    browser = new_browser() if ceremony == "registration" else ready
    act = browser.register if ceremony == "registration" else browser.sign_in
    asked = browser.options(ceremony)

    wait(seconds=seconds)

    assert asked["expires_in"] == 300
    assert succeeds(act(asked)) is works


@pytest.mark.requirement("WA-01")
def test_a_challenge_of_one_ceremony_is_none_of_the_other(app, ready, new_browser):
    other = new_browser()
    to_sign_in, to_create = ready.options(), other.options("registration")

    registered = other.register(to_create, challenge=to_sign_in["public_key"]["challenge"])
    signed_in = ready.sign_in(to_sign_in, challenge=to_create["public_key"]["challenge"])

    assert (told(registered), told(signed_in)) == (REFUSED, REFUSED)
    assert whys(app) == [UNKNOWN, UNKNOWN]


@pytest.mark.requirement("WA-01")
def test_a_challenge_is_of_the_session_that_asked(app, browser, new_browser):
    asked, stranger = browser.options("registration"), new_browser()
    mine_elsewhere = new_browser(browser.user, credential_id=b"elsewhere")
    mine_elsewhere.client.log_in(browser.user)  # another session of the same person

    assert told(stranger.register(asked)) == REFUSED
    assert told(mine_elsewhere.register(asked)) == REFUSED
    assert whys(app) == ["challenge of somebody else"] * 2


@pytest.mark.requirement("WA-01")
def test_a_challenge_is_of_whoever_holds_its_login_token(app, ready):
    mine, other = ready.options(), ready.options()

    planted = ready.sign_in({**mine, "login_token": other["login_token"]})

    assert told(planted) == REFUSED
    assert whys(app) == ["challenge of somebody else"]
    assert succeeds(ready.sign_in(mine))


@pytest.mark.requirement("WA-01")
def test_a_challenge_that_nobody_asked_for_is_refused(app, perform):
    lies = ["", "AAAA", b64(bytes(32))]

    assert [told(perform(challenge=lie)) for lie in lies] == [REFUSED] * 3
    assert whys(app) == [UNKNOWN] * 3


@pytest.mark.requirement("WA-01")
def test_a_challenge_is_answered_twenty_times_at_most(ready):
    asked = ready.options()

    for _ in range(20):
        assert told(ready.sign_in(asked, rp_id="evil.example")) == REFUSED

    assert told(ready.sign_in(asked)) == REFUSED
    assert succeeds(ready.sign_in())


@pytest.mark.requirement("WA-12")
def test_a_user_handle_says_nothing_and_stays_the_same(app, ready, new_browser):
    other = new_browser()
    user_ids = [str(row.user_id) for row in rows(app, Session)]

    handles = [b.options("registration")["public_key"]["user"]["id"] for b in (ready, other)]
    again = [b.options("registration")["public_key"]["user"]["id"] for b in (ready, other)]

    decoded = [unb64(handle) for handle in handles]
    bare = [user_id.replace("-", "") for user_id in user_ids]
    secrets = [ready.user.email, other.user.email, *user_ids, *bare]
    assert handles == again
    assert handles[0] == ready.authenticator.user_handle
    assert len(set(handles)) == 2
    assert {len(handle) for handle in decoded} == {32}
    assert not [s for s in secrets for h in decoded if s.encode() in h or s in h.hex()]


@pytest.mark.requirement("WA-12", "RL-07")
def test_options_to_sign_in_tell_nothing_about_anybody(app, client, new_browser):
    path = "/auth/passkeys/authentication/options"
    before = client.post(path)
    new_browser().register()

    after = client.post(path)

    told = [answer.json for answer in (before, after)]
    for options in told:
        options["public_key"].pop("challenge")
        options.pop("login_token")
    assert told[0] == told[1]
    assert told[0]["public_key"]["allowCredentials"] == []
    assert [*before.headers.keys()] == [*after.headers.keys()]
