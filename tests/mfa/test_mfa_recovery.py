"""A lost factor: with a code that is sent and a proof beside it all go, announced and later."""

import re
from datetime import datetime, timedelta
from functools import partial

import pytest

from gatehouse.core import clock
from models import Credential, Session
from tests.account.conftest import (
    ADA,
    NEW,
    NEW_ADDRESS,
    NUMBER,
    OTHER_NUMBER,
    change_email,
    mails,
    prove_phone,
    told,
)
from tests.client import PASSWORD, User
from tests.letters import other_code, token_of
from tests.mfa.recovery import ASK, PROVE, announced, ask, keep_house, newest, prove
from tests.rows import audited, rows
from tests.statements import sent_by

WRONG = (401, "invalid_code")


@pytest.fixture
def ada(client, make_user):
    """Ada, whose app is lost, and who has known her address for long."""
    user = make_user(email=ADA, factors=["totp"])
    user.tokens = client.renew(user.tokens)  # which tell of the factor
    return user


def prove_number_long_ago(client, user, wait):
    """Give somebody a number that they have had for four days."""
    assert prove_phone(client, user.tokens).status_code == 200
    wait(days=4)


@pytest.mark.stores
@pytest.mark.requirement("RG-04")
@pytest.mark.requirement("MF-09")
def test_a_mailed_code_and_the_password_take_all_factors_when_the_delay_is_over(
    app, client, ada, wait
):
    answer = prove(client, ask(client))
    wait(hours=23, minutes=59)
    keep_house(app)
    before = client.log_in(User(ADA))["status"]

    wait(minutes=2)
    keep_house(app)

    assert told(answer) == (200, "announced")
    due = datetime.fromisoformat(answer.json["due_at"])
    assert timedelta(hours=-2) < due - clock.now() < timedelta(0)
    assert (before, client.log_in(ada)["status"]) == ("mfa_required", "authenticated")
    assert rows(app, Credential) == []
    assert {row.end_reason for row in rows(app, Session) if row.ended_at} == {"mfa_reset"}
    assert len(audited(app, "factor.loss_proved", "factor.reset")) == 2


@pytest.mark.requirement("RG-04")
def test_a_texted_code_and_the_password_do_it_too(app, client, ada, wait):
    prove_number_long_ago(client, ada, wait)

    answer = prove(client, ask(client, phone=NUMBER))

    assert told(answer) == (200, "announced")
    assert announced(app) == 1


@pytest.mark.requirement("RG-04")
def test_a_code_that_is_sent_and_a_saved_one_need_no_password(app, client, ada):
    """Two recovery codes of different methods (NIST SP 800-63B-4 section 4.2.2.2)."""
    saved = ada.recovery_codes[0]

    answers = [prove(client, ask(client), recovery_code=saved) for _ in range(2)]

    assert [told(answer) for answer in answers] == [(200, "announced"), WRONG]
    assert announced(app) == 1


@pytest.mark.requirement("RG-05")
def test_every_address_and_the_number_hear_of_it_and_each_can_stop_it(app, client, ada, wait):
    prove_number_long_ago(client, ada, wait)
    ada.tokens = client.second_step(ada, client.log_in(ada))
    change_email(client, ada.tokens)

    assert told(prove(client, ask(client, phone=NUMBER))) == (200, "announced")

    notices = [mails(client, to, "notice_mfa_reset") for to in (ADA, NEW_ADDRESS)]
    assert [len(found) for found in notices] == [1, 1]
    assert "second factor" in mails(client, NUMBER, "sms_notice")[0]["what"]
    token = token_of(notices[0][0]["link"])
    assert client.post("/auth/mfa/reset/cancel", {"token": token}).status_code == 204
    assert announced(app) == 0


def test_it_signs_nobody_in(app, client, ada):
    before = rows(app, Session)

    answer = prove(client, ask(client))

    assert answer.json.keys() == {"status", "due_at"}
    assert len(rows(app, Session)) == len(before)
    assert client.log_in(ada)["status"] == "mfa_required"


def test_asked_for_twice_it_is_announced_once(app, client, ada):
    answers = [prove(client, ask(client)) for _ in range(2)]

    assert answers[0].json == answers[1].json
    assert len(mails(client, ADA, "notice_mfa_reset")) == 1


@pytest.mark.requirement("RL-07")
def test_known_and_unknown_addresses_get_the_same_answers(client, ada, make_user):
    make_user(email="has-none@example.com")
    whom = [{"email": ADA}, {"email": "has-none@example.com"}, {"email": "nobody@example.com"}]
    whom += [{"phone": "+4915199999999"}]

    asked = [client.post(ASK, whose) for whose in whom]
    guessed = [prove(client, answer.json_token) for answer in map(_with_a_guess, asked)]

    assert {(answer.status_code, *sorted(answer.json)) for answer in asked} == {
        (202, "recovery_token", "status")
    }
    bodies = {answer.text.replace(answer.json["request_id"], "") for answer in guessed}
    assert (len(bodies), {told(answer) for answer in guessed}) == (1, {WRONG})
    assert len(mails(client, ADA, "mfa_recovery")) == 1
    assert client.mailbox(to="nobody@example.com") == []


def _with_a_guess(answer):
    answer.json_token = {"recovery_token": answer.json["recovery_token"], "code": "12345678"}
    return answer


@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize("email", [ADA, "has-none@example.com", "nobody@example.com"])
def test_guesses_here_and_of_a_forgotten_password_s_code_are_one_count_for_everybody(
    client, ada, make_user, email
):
    """Else the other door would tell an account without a factor from all others."""
    make_user(email="has-none@example.com")
    for _ in range(6):
        asked = _with_a_guess(client.post(ASK, {"email": email})).json_token
        here = [prove(client, asked).status_code for _ in range(5)]

    form = {"email": email, "code": "12345678", "password": NEW}
    there = client.post("/auth/password/reset", form)

    assert (here[-1], there.status_code) == (429, 429)


@pytest.mark.requirement("RL-07")
def test_nobody_costs_the_statements_of_somebody_and_the_mail_s_deletion(app, client, ada):
    asks = [partial(client.post, ASK, {"email": email}) for email in (ADA, "nob@example.com")]
    sent, wasted = (sent_by(app, act) for act in asks)
    guesses = [_with_a_guess(act()).json_token for act in asks]

    known, unknown = (sent_by(app, partial(prove, client, guess)) for guess in guesses)

    assert sorted(known) == sorted(unknown)  # in whatever order they are written
    assert sorted(text for text in wasted if "DELETE FROM outbox" not in text) == sorted(sent)


@pytest.mark.stores
@pytest.mark.requirement("RL-07")
@pytest.mark.parametrize("path", [ASK, "/auth/password/forgot"])
def test_a_number_that_is_nobody_s_costs_the_statements_of_somebody_s(
    app, client, ada, make_user, wait, path
):
    prove_number_long_ago(client, ada, wait)
    other = make_user(email="has-none@example.com")
    client.log_in(other)
    assert prove_phone(client, other.tokens, OTHER_NUMBER).status_code == 200
    whose = [NUMBER, OTHER_NUMBER, "+4915112345679"]
    asks = [partial(client.post, path, {"phone": number}) for number in whose]
    for act in asks:
        act()

    sent, *others = [kinds_of(sent_by(app, act)) for act in asks]

    assert len(sent) >= 12
    assert others == [sent, sent]


def kinds_of(sent):
    """Return how many statements of which kind on which table there are, but what was wasted."""
    kept = [text for text in sent if "DELETE FROM outbox" not in text]
    tables = re.compile(r"^(SELECT)\b.*?\bFROM (\w+)|^(\w+)(?: INTO| FROM)? (\w+)", re.DOTALL)
    return sorted(" ".join(filter(None, tables.match(text).groups())) for text in kept)


@pytest.mark.stores
@pytest.mark.requirement("MF-02")
def test_twenty_at_once_announce_it_once(app, client, ada):
    form = ask(client) | {"password": PASSWORD}

    answers = client.in_parallel(20, PROVE, form)

    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.status_code for answer in answers} <= {200, 401, 429, 503}  # hashes wait in turn
    assert len(mails(client, ADA, "notice_mfa_reset")) == 1


@pytest.mark.requirement("MF-06")
def test_guesses_of_codes_are_counted_over_all_that_are_sent(app, client, ada, wait):
    """Asking anew, and waiting for more mails, resets nothing: the 26th waits."""
    judged = []
    for _ in range(2):
        for _ in range(3):
            asked = ask(client)
            asked["code"] = other_code(asked["code"])
            judged += [prove(client, asked).status_code for _ in range(5)]
        wait(hours=1, seconds=1)

    assert judged == [401] * 25 + [429] * 5
    assert announced(app) == 0


@pytest.mark.requirement("MF-05")
def test_a_code_works_for_ten_minutes(client, ada, wait):
    asked = ask(client)
    wait(minutes=10, seconds=1)

    assert told(prove(client, asked)) == WRONG


@pytest.mark.requirement("RG-01")
@pytest.mark.requirement("MF-05")
def test_a_code_works_only_where_it_was_asked_for_and_for_nothing_else(client, ada):
    mine, other = ask(client), ask(client)
    client.post("/auth/password/forgot", {"email": ADA})
    reset_code = mails(client, ADA, "password_reset")[0]["code"]

    crossed = prove(client, mine | {"code": other["code"]})
    borrowed = prove(client, mine | {"code": reset_code})
    form = {"email": ADA, "code": mine["code"], "password": NEW}
    lent = client.post("/auth/password/reset", form)

    assert [told(answer) for answer in (crossed, borrowed, lent)] == [WRONG] * 3
    assert told(prove(client, mine)) == (200, "announced")


def test_a_request_that_is_sent_again_sends_nothing_again(client, ada):
    headers = {"Idempotency-Key": "once"}

    answers = [client.post(ASK, {"email": ADA}, headers=headers) for _ in range(2)]

    assert answers[0].json == answers[1].json
    assert len(mails(client, ADA, "mfa_recovery")) == 1
    asked = {"recovery_token": answers[1].json["recovery_token"], "code": newest(client, ADA)}
    assert told(prove(client, asked)) == (200, "announced")


def test_three_mails_an_hour_and_then_the_answer_is_the_same(client, ada):
    answers = [client.post(ASK, {"email": ADA}) for _ in range(4)]

    assert {answer.status_code for answer in answers} == {202}
    assert len(mails(client, ADA, "mfa_recovery")) == 3


@pytest.mark.stores
def test_twenty_that_ask_at_once_get_three_mails(client, ada):
    answers = client.in_parallel(20, ASK, {"email": ADA})

    assert {answer.status_code for answer in answers} <= {202, 503}
    assert len(mails(client, ADA, "mfa_recovery")) == 3


@pytest.mark.parametrize("proof", [{}, {"password": PASSWORD, "recovery_code": "abcd"}])
def test_one_proof_beside_the_code_is_wanted_and_no_more(client, ada, proof):
    answer = client.post(PROVE, ask(client) | proof)

    assert told(answer) == (422, "validation_failed")


@pytest.mark.settings(GATEHOUSE_MFA_RESET_DELAY="0")
def test_without_a_delay_the_next_housekeeping_does_it(app, client, ada):
    prove(client, ask(client))
    keep_house(app)

    assert client.log_in(ada)["status"] == "authenticated"


def test_the_operator_s_reset_takes_the_place_of_the_owner_s(app, client, ada, wait):
    prove(client, ask(client))
    wait(hours=1)

    commands = [app.test_cli_runner().invoke(args=["users", "reset-mfa", ADA]) for _ in range(2)]

    assert [command.exit_code for command in commands] == [0, 1]
    assert announced(app) == 1
    assert told(prove(client, ask(client))) == (200, "announced")
    assert announced(app) == 1
