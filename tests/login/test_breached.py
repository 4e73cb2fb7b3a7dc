"""A right password that stands in the operator's file of stolen ones: a fact, and nothing more."""

from __future__ import annotations

import pytest

from gatehouse.passwords import breached
from tests.client import PASSWORD, User
from tests.passwords.test_breached import listed, provider, sha1
from tests.rows import audited
from tests.statements import sent_by

__all__ = ["provider"]
ADA = "ada@example.com"
pytestmark = pytest.mark.requirement("AZ-07")


@pytest.fixture
def stolen(tmp_path):
    """A file of stolen passwords; it is renewed after Ada has chosen hers."""
    path = tmp_path / "stolen.txt"
    path.write_text(listed("eleven violet umbrellas 7"))
    return path


@pytest.fixture
def settings_environment(request, settings_environment, tmp_path):
    """Use the file, the look-up or a policy, where a test names one."""
    more = {}
    if "stolen" in request.fixturenames:
        more["GATEHOUSE_BREACHED_PASSWORDS"] = str(request.getfixturevalue("stolen"))
    if "provider" in request.fixturenames:
        server = request.getfixturevalue("provider")
        more["GATEHOUSE_BREACHED_LOOKUP"] = server.url_for("/range/")
        more["GATEHOUSE_OUTBOUND_ALLOWED"] = f"localhost:{server.port}"
    if text := getattr(request, "param", ""):
        (tmp_path / "policy.toml").write_text(text)
        more["GATEHOUSE_RISK_POLICY"] = str(tmp_path / "policy.toml")
    return settings_environment | more


@pytest.fixture
def log_in(client):
    """Log Ada in, or somebody else."""
    client.sign_up(User(ADA))

    def log_in(password=PASSWORD, identifier=ADA):
        return client.post("/auth/login", {"identifier": identifier, "password": password})

    return log_in


def judged(app):
    return audited(app, "risk.judged", "risk.refused")[-1].details


def test_a_stolen_password_stands_out_and_another_does_not(app, stolen, log_in):
    log_in()
    before = judged(app)
    stolen.write_text(listed(PASSWORD, "another stolen one"))

    answer = log_in()

    assert (before["facts"]["breached"], before["findings"]) == (False, {})
    assert answer.status_code == 200
    assert judged(app)["facts"]["breached"] is True
    assert "breached_password" in judged(app)["findings"]


@pytest.mark.parametrize("settings_environment", ['breached_password = "refuse"'], indirect=True)
def test_the_policy_can_refuse_it(stolen, log_in):
    stolen.write_text(listed(PASSWORD))

    assert log_in().json["code"] == "login_refused"


def test_without_a_file_nothing_is_known(app, log_in):
    log_in()

    assert "breached" not in judged(app)["facts"]


def test_a_file_that_is_gone_lets_people_in_and_says_nothing(app, stolen, log_in):
    stolen.unlink()

    assert log_in().status_code == 200
    assert "breached" not in judged(app)["facts"]


def test_the_look_up_outside_is_asked_of_no_login(app, provider, log_in):
    asked = len(provider.log)  # when Ada chose her password

    log_in()

    assert asked == 1
    assert len(provider.log) == asked
    assert "breached" not in judged(app)["facts"]


def test_only_a_right_password_is_looked_up(stolen, log_in, monkeypatch):
    """So neither an answer nor its time tells a known account from an unknown one."""
    looked, real = [], breached.stands_in_file
    monkeypatch.setattr(breached, "stands_in_file", lambda it: looked.append(it) or real(it))
    stolen.write_text(listed(PASSWORD))

    wrong, unknown = log_in("a wrong password"), log_in(PASSWORD, "nobody@example.com")

    assert looked == []
    assert [wrong.status_code, unknown.status_code] == [401, 401]
    assert wrong.json | {"request_id": ""} == unknown.json | {"request_id": ""}
    log_in()
    assert looked == [PASSWORD]


def test_it_costs_no_statement(app, stolen, log_in):
    log_in()
    stolen.write_text(listed("another stolen one"))
    before = len(sent_by(app, log_in))
    stolen.write_text(listed(PASSWORD))

    assert len(sent_by(app, log_in)) == before


def test_neither_the_password_nor_its_digest_is_written_down(app, stolen, log_in, capfd, caplog):
    stolen.write_text(listed(PASSWORD))

    log_in()

    written = caplog.text + "".join(capfd.readouterr())
    written += str([vars(event) for event in audited(app, "risk.judged", "login.succeeded")])
    for secret in (PASSWORD, sha1(PASSWORD), sha1(PASSWORD)[:5], sha1(PASSWORD)[5:]):
        assert secret.lower() not in written.lower()
