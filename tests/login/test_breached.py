"""A correct password that is in the local list of breached ones is a fact for the risk policy."""

from __future__ import annotations

import pytest

from gatehouse.passwords import breached
from tests.client import PASSWORD, User
from tests.passwords.test_breached import build_list, provider, sha1
from tests.rows import audited
from tests.statements import statements_of

__all__ = ["provider"]
ADA = "ada@example.com"
pytestmark = pytest.mark.requirement("AZ-07")


@pytest.fixture
def stolen(tmp_path):
    """The local list of breached passwords; tests rewrite it after Ada has signed up."""
    path = tmp_path / "stolen.txt"
    path.write_text(build_list("eleven violet umbrellas 7"))
    return path


@pytest.fixture
def settings_environment(request, settings_environment, tmp_path):
    """Use the list, the remote service or a policy if the test asks for it."""
    more = {}
    if "stolen" in request.fixturenames:
        more["GATEHOUSE_BREACHED_PASSWORDS"] = str(request.getfixturevalue("stolen"))
    if "provider" in request.fixturenames:
        server = request.getfixturevalue("provider")
        more["GATEHOUSE_PWNED_PASSWORDS_URL"] = server.url_for("/range/")
        more["GATEHOUSE_EGRESS_ALLOWLIST"] = f"localhost:{server.port}"
    if text := getattr(request, "param", ""):
        (tmp_path / "policy.toml").write_text(text)
        more["GATEHOUSE_RISK_POLICY"] = str(tmp_path / "policy.toml")
    return settings_environment | more


@pytest.fixture
def log_in(client):
    """Log in as Ada, or with another password or identifier."""
    client.sign_up(User(ADA))

    def log_in(password=PASSWORD, identifier=ADA):
        return client.post("/auth/login", {"identifier": identifier, "password": password})

    return log_in


def last_assessment(app):
    return audited(app, "risk.assessed", "risk.refused")[-1].details


def test_login_with_breached_password_is_a_risk_finding_and_another_is_not(app, stolen, log_in):
    log_in()
    before = last_assessment(app)
    stolen.write_text(build_list(PASSWORD, "another stolen one"))

    response = log_in()

    assert (before["facts"]["breached"], before["findings"]) == (False, {})
    assert response.status_code == 200
    assert last_assessment(app)["facts"]["breached"] is True
    assert "breached_password" in last_assessment(app)["findings"]


@pytest.mark.parametrize("settings_environment", ['breached_password = "refuse"'], indirect=True)
def test_login_with_breached_password_can_be_refused_by_policy(stolen, log_in):
    stolen.write_text(build_list(PASSWORD))

    assert log_in().json["code"] == "login_refused"


def test_login_without_a_breached_password_list_records_no_breach_fact(app, log_in):
    log_in()

    assert "breached" not in last_assessment(app)["facts"]


def test_login_succeeds_without_breach_fact_if_the_list_is_missing(app, stolen, log_in):
    stolen.unlink()

    assert log_in().status_code == 200
    assert "breached" not in last_assessment(app)["facts"]


def test_login_never_queries_the_remote_breach_service(app, provider, log_in):
    requests = len(provider.log)  # at sign-up

    log_in()

    assert requests == 1
    assert len(provider.log) == requests
    assert "breached" not in last_assessment(app)["facts"]


def test_login_looks_up_only_correct_passwords(stolen, log_in, monkeypatch):
    """So neither response nor timing distinguishes a known account from an unknown one."""
    looked_up, in_local_list = [], breached.in_local_list

    def record(password):
        looked_up.append(password)
        return in_local_list(password)

    monkeypatch.setattr(breached, "in_local_list", record)
    stolen.write_text(build_list(PASSWORD))

    wrong, unknown = log_in("a wrong password"), log_in(PASSWORD, "unknown@example.com")

    assert looked_up == []
    assert [wrong.status_code, unknown.status_code] == [401, 401]
    assert wrong.json | {"request_id": ""} == unknown.json | {"request_id": ""}
    log_in()
    assert looked_up == [PASSWORD]


def test_login_breach_lookup_costs_no_sql_statement(app, stolen, log_in):
    log_in()
    stolen.write_text(build_list("another stolen one"))
    before = len(statements_of(app, log_in))
    stolen.write_text(build_list(PASSWORD))

    assert len(statements_of(app, log_in)) == before


def test_login_logs_neither_the_breached_password_nor_its_digest(
    app, stolen, log_in, capfd, caplog
):
    stolen.write_text(build_list(PASSWORD))

    log_in()

    logged = caplog.text + "".join(capfd.readouterr())
    logged += str([vars(event) for event in audited(app, "risk.assessed", "login.succeeded")])
    for secret in (PASSWORD, sha1(PASSWORD), sha1(PASSWORD)[:5], sha1(PASSWORD)[5:]):
        assert secret.lower() not in logged.lower()
