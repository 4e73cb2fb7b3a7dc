"""`flask risk replay`: what another policy would have done with the logins that were recorded."""

import re

import pytest

from gatehouse.risk import replay
from gatehouse.risk.engine import in_force
from models import AuditEvent
from tests.client import PASSWORD
from tests.rows import audited, rows

ADA = "ada@example.com"
HOME, AWAY = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def tried(app, tmp_path):
    """Replay by a policy: tried('new_network = "refuse"', "--since", "12h") -> the result."""

    def run(text, *more):
        path = tmp_path / "new.toml"
        path.write_text(text)
        arguments = ["risk", "replay", "--policy", str(path), *more]
        return app.test_cli_runner().invoke(args=arguments)

    return run


@pytest.fixture
def log_in(client):
    def log_in(address, agent="Firefox", email=ADA):
        form = {"identifier": email, "password": PASSWORD}
        sender = {"REMOTE_ADDR": address}
        headers = {"User-Agent": agent}
        return client.post("/auth/login", form, headers=headers, environ_overrides=sender)

    return log_in


def table(output):
    """Return the counts of each decision, in force and tried."""
    found = re.findall(r"^(\w+) +(\d+) +(\d+)$", output, re.M)
    return {name: (int(before), int(after)) for name, before, after in found}


@pytest.mark.stores
def test_a_replay_shows_counts_and_each_login_that_would_be_decided_otherwise(
    app, make_user, log_in, tried
):
    make_user(email=ADA)
    log_in(HOME)
    log_in(HOME)
    log_in(AWAY, "curl")
    before = len(rows(app, AuditEvent))

    result = tried('new_network = "refuse"')

    assert result.exit_code == 0
    assert table(result.output) == {
        "allow": (1, 2),
        "notify": (2, 0),
        "captcha": (0, 0),
        "ask_second_factor": (0, 0),
        "refuse": (0, 1),
    }
    assert "3 logins since" in result.output
    assert "notify -> refuse\n  new_network: No recent login came from" in result.output
    assert "notify -> allow\n  new_device: Nobody has signed in" in result.output
    assert len(rows(app, AuditEvent)) == before


@pytest.mark.stores
def test_the_policy_in_force_decides_again_what_it_decided(app, make_user, log_in, wait):
    for email in (ADA, "bob@example.com"):
        make_user(email=email)
        for address, agent in ((HOME, "Firefox"), (AWAY, "Firefox"), (HOME, "curl")):
            log_in(address, agent, email)
            wait(minutes=1)
    recorded = [event.details["decision"] for event in audited(app, "risk.judged")]

    with app.app_context():
        risk = in_force()
        outcomes = list(replay.replay(risk, risk.policy, rows(app, AuditEvent)[0].at))

    assert [outcome.before.word for outcome in outcomes] == recorded
    assert [outcome.after for outcome in outcomes] == [outcome.before for outcome in outcomes]


def test_a_milder_policy_is_told_with_the_reasons_of_the_one_in_force(make_user, log_in, tried):
    make_user(email=ADA)
    log_in(HOME)
    log_in(AWAY, "curl")

    result = tried("")

    assert "notify -> allow\n  new_device: Nobody has signed in" in result.output


def test_a_policy_that_changes_nothing_says_so(make_user, log_in, tried):
    make_user(email=ADA)
    log_in(HOME)

    assert "Nothing would have been decided otherwise." in tried("").output


@pytest.mark.settings(GATEHOUSE_BAD_NETWORKS=f"{AWAY}/32")
def test_older_logins_count_as_history_and_are_not_replayed(make_user, log_in, tried, wait):
    make_user(email=ADA)
    log_in(AWAY)
    wait(days=3)
    log_in(AWAY)

    result = tried('known_bad_network = "captcha"\nnew_network = "refuse"', "--since", "2d")

    assert table(result.output)["captcha"] == (0, 1)
    assert table(result.output)["refuse"] == (0, 0)


def test_a_login_that_was_refused_is_replayed_and_is_no_history(app, make_user, log_in, tried):
    make_user(email=ADA)
    log_in(HOME)
    risk = app.extensions["gatehouse.risk"]
    with_refusal = {**risk.policy, "new_network": max(replay.Decision)}
    object.__setattr__(risk, "policy", with_refusal)
    assert [log_in(AWAY).status_code for _ in range(2)] == [403, 403]

    result = tried('new_network = "notify"')

    assert table(result.output)["refuse"] == (2, 0)
    assert table(result.output)["notify"] == (0, 2)


def test_batches_miss_nobody(app, make_user, log_in, monkeypatch, tried):
    for email in (ADA, "bob@example.com"):
        make_user(email=email)
        for _ in range(3):
            log_in(HOME, email=email)
    monkeypatch.setattr(replay, "BATCH", 2)

    assert "6 logins since" in tried("").output


def test_no_secret_is_shown(make_user, log_in, tried):
    make_user(email=ADA)
    device = log_in(HOME).json["device_token"]
    log_in(AWAY, "curl")

    output = tried('new_network = "refuse"').output

    assert all(secret not in output for secret in (device, PASSWORD, ADA))


@pytest.mark.parametrize(
    ("text", "more", "told"),
    [
        ('new_netwrk = "refuse"', (), "did you mean new_network?"),
        ('new_network = "refuze"', (), "did you mean refuse?"),
        ("", ("--since", "30 days"), "must be days or hours, such as 30d or 12h"),
        ("", ("--since", "0d"), "must be days or hours"),
    ],
)
def test_what_cannot_be_meant_is_told_in_a_sentence(tried, text, more, told):
    result = tried(text, *more)

    assert result.exit_code != 0
    assert told in result.output
    assert "Traceback" not in result.output
