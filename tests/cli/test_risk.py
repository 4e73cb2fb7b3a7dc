"""`gatehouse risk replay`: what another risk policy would have decided about recorded logins."""

import re

import pytest

from gatehouse.risk import replay
from gatehouse.risk.engine import current_engine
from models import AuditEvent
from tests.client import PASSWORD
from tests.rows import audited, rows

ADA = "ada@example.com"
HOME, AWAY = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def run_replay(app, tmp_path):
    """Replay a policy: run_replay('new_network = "refuse"', "--since", "12h") -> the result."""

    def run_replay(text, *more):
        path = tmp_path / "new.toml"
        path.write_text(text)
        arguments = ["risk", "replay", "--policy", str(path), *more]
        return app.test_cli_runner().invoke(args=arguments)

    return run_replay


@pytest.fixture
def log_in(client):
    """Log in from a network: log_in(HOME, "Firefox") -> the response."""

    def log_in(ip_address, agent="Firefox", email=ADA):
        form = {"identifier": email, "password": PASSWORD}
        sender = {"REMOTE_ADDR": ip_address}
        headers = {"User-Agent": agent}
        return client.post("/auth/login", form, headers=headers, environ_overrides=sender)

    return log_in


def read_table(output):
    """Return the counts of each decision, by the current and by the tried policy."""
    found = re.findall(r"^(\w+) +(\d+) +(\d+)$", output, re.M)
    return {name: (int(before), int(after)) for name, before, after in found}


@pytest.mark.stores
def test_replay_shows_counts_and_each_login_with_another_decision(
    app, make_user, log_in, run_replay
):
    make_user(email=ADA)
    log_in(HOME)
    log_in(HOME)
    log_in(AWAY, "curl")
    before = len(rows(app, AuditEvent))

    result = run_replay('new_network = "refuse"')

    assert result.exit_code == 0
    assert read_table(result.output) == {
        "allow": (1, 2),
        "notify": (2, 0),
        "captcha": (0, 0),
        "ask_second_factor": (0, 0),
        "refuse": (0, 1),
    }
    assert "3 logins since" in result.output
    assert "notify -> refuse\n  new_network: No recent login came from" in result.output
    assert "notify -> allow\n  new_device: There was no login to this account" in result.output
    assert len(rows(app, AuditEvent)) == before


@pytest.mark.stores
def test_replay_of_the_current_policy_repeats_the_recorded_decisions(app, make_user, log_in, wait):
    for email in (ADA, "bob@example.com"):
        make_user(email=email)
        for ip_address, agent in ((HOME, "Firefox"), (AWAY, "Firefox"), (HOME, "curl")):
            log_in(ip_address, agent, email)
            wait(minutes=1)
    recorded = [event.details["decision"] for event in audited(app, "risk.assessed")]

    with app.app_context():
        risk = current_engine()
        outcomes = list(replay.replay_logins(risk, risk.policy, rows(app, AuditEvent)[0].at))

    assert [outcome.before.policy_name for outcome in outcomes] == recorded
    assert [outcome.after for outcome in outcomes] == [outcome.before for outcome in outcomes]


def test_replay_of_a_milder_policy_shows_the_reasons_of_the_current_one(
    make_user, log_in, run_replay
):
    make_user(email=ADA)
    log_in(HOME)
    log_in(AWAY, "curl")

    result = run_replay("")

    assert "notify -> allow\n  new_device: There was no login to this account" in result.output


def test_replay_reports_when_every_decision_is_the_same(make_user, log_in, run_replay):
    make_user(email=ADA)
    log_in(HOME)

    assert "Every decision would have been the same." in run_replay("").output


@pytest.mark.settings(GATEHOUSE_BAD_NETWORKS=f"{AWAY}/32")
def test_replay_uses_older_logins_as_history_only(make_user, log_in, run_replay, wait):
    make_user(email=ADA)
    log_in(AWAY)
    wait(days=3)
    log_in(AWAY)

    result = run_replay('known_bad_network = "captcha"\nnew_network = "refuse"', "--since", "2d")

    assert read_table(result.output)["captcha"] == (0, 1)
    assert read_table(result.output)["refuse"] == (0, 0)


def test_replay_includes_refused_logins_which_are_no_history(app, make_user, log_in, run_replay):
    make_user(email=ADA)
    log_in(HOME)
    risk = app.extensions["gatehouse.risk"]
    stricter = {**risk.policy, "new_network": max(replay.Decision)}
    object.__setattr__(risk, "policy", stricter)
    assert [log_in(AWAY).status_code for _ in range(2)] == [403, 403]

    result = run_replay('new_network = "notify"')

    assert read_table(result.output)["refuse"] == (2, 0)
    assert read_table(result.output)["notify"] == (0, 2)


def test_replay_reads_every_user_in_batches(app, make_user, log_in, monkeypatch, run_replay):
    for email in (ADA, "bob@example.com"):
        make_user(email=email)
        for _ in range(3):
            log_in(HOME, email=email)
    monkeypatch.setattr(replay, "BATCH_SIZE", 2)

    assert "6 logins since" in run_replay("").output


def test_replay_shows_no_secret(make_user, log_in, run_replay):
    make_user(email=ADA)
    device = log_in(HOME).json["device_token"]
    log_in(AWAY, "curl")

    output = run_replay('new_network = "refuse"').output

    assert all(secret not in output for secret in (device, PASSWORD, ADA))


def test_replay_reports_an_invalid_policy_or_period_in_a_sentence(run_replay):
    cases = [
        ('new_netwrk = "refuse"', (), "did you mean new_network?"),
        ('new_network = "refuze"', (), "did you mean refuse?"),
        ("", ("--since", "30 days"), "must be days or hours, such as 30d or 12h"),
        ("", ("--since", "0d"), "must be days or hours"),
    ]

    for text, options, sentence in cases:
        result = run_replay(text, *options)

        assert result.exit_code != 0, sentence
        assert sentence in result.output
        assert "Traceback" not in result.output, sentence
