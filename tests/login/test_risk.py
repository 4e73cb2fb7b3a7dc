"""Adaptive login over HTTP: findings are recorded, and the policy decides what follows."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from gatehouse.core import crypto
from gatehouse.database.session import db, write_transaction
from gatehouse.tokens import keys
from models import AuditEvent, Credential, Device, OutboxMessage, Session, User
from tests.client import PASSWORD, Client
from tests.client import User as ClientUser
from tests.conftest import environment
from tests.conftest import running as started
from tests.login.risk_applications import apply_policy, risk_environment, with_policy
from tests.mail_links import read_mail, wrong_code
from tests.rows import audited, rows

ADA = "ada@example.com"
HOME, AWAY = "192.0.2.1", "198.51.100.1"
FIREFOX, CURL = "Firefox/140.0", "curl/8.0"
GEO_HEADERS = {
    "X-Forwarded-For": HOME,
    "X-Real-IP": HOME,
    "Forwarded": f"for={HOME}",
    "CF-Connecting-IP": HOME,
    "CF-IPCountry": "FR",
    "CloudFront-Viewer-Country": "FR",
    "X-AppEngine-Country": "FR",
    "X-Country-Code": "FR",
    "X-Geo-Country": "FR",
    "X-Device-Known": "true",
    "X-Risk": "allow",
}


@pytest.fixture
def settings_environment(store, tmp_path_factory):
    return risk_environment(store, tmp_path_factory.getbasetemp())


@pytest.fixture
def app(app, request, tmp_path):
    """An application with a policy, as in `@with_policy(...)`, and a GeoIP file."""
    return apply_policy(app, request, tmp_path)


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)


@pytest.fixture
def log_in(client):
    """Log in: log_in(), log_in(AWAY, device="...", password=...)."""

    def log_in(address=HOME, agent=FIREFOX, device="", password=PASSWORD, headers=()):
        form = {"identifier": ADA, "password": password}
        sent = {"User-Agent": agent, "X-Device-Token": device, **dict(headers)}
        sender = {"REMOTE_ADDR": address}
        return client.post("/auth/login", form, headers=sent, environ_overrides=sender)

    return log_in


def repeat_login(app, times):
    """Copy the audit event of the newest login so many times."""
    newest = audited(app, "login.succeeded")[-1]
    columns = {column.key: getattr(newest, column.key) for column in sa.inspect(AuditEvent).columns}
    copies = [columns | {"id": crypto.new_id()} for _ in range(times)]
    with app.app_context():
        db.session.execute(sa.insert(AuditEvent), copies)
        db.session.commit()


def last_assessment(app):
    """Return the details of the newest risk assessment."""
    return audited(app, "risk.assessed", "risk.refused")[-1].details


def list_notifications(client):
    return [mail for mail in client.mailbox(to=ADA) if mail["template"] == "notice_new_device"]


# Default policy


@pytest.mark.stores
@pytest.mark.requirement("AZ-07")
def test_risk_default_policy_notifies_of_a_new_device_and_records_every_finding(
    app, client, ada, log_in
):
    log_in()

    response = log_in(AWAY, CURL)

    assert response.status_code == 200
    assessment = last_assessment(app)
    assert assessment["decision"] == "notify"
    assert assessment["findings"].keys() == {
        *("new_device", "new_network", "new_country", "impossible_travel")
    }
    assert assessment["facts"]["device_known"] is False
    [mail] = list_notifications(client)
    assert mail["variables"]["address"] == AWAY
    assert mail["variables"]["link"] == "http://localhost:8000/forgot-password"


@pytest.mark.requirement("AZ-07")
def test_risk_of_the_first_login_has_no_findings(app, client, ada, log_in):
    log_in()

    assert last_assessment(app) == {
        "decision": "allow",
        "findings": {},
        "facts": {
            "device_known": False,
            "failures_here": 0,
            "failures_from_unknown_devices": 0,
            "credential_stuffing": False,
        },
    }
    assert list_notifications(client) == []


def test_risk_of_a_known_device_causes_no_notification(client, ada, log_in):
    device = log_in().json["device_token"]

    log_in(AWAY, CURL, device)

    assert list_notifications(client) == []


def test_risk_treats_a_browser_without_its_cookie_as_a_new_device(client, ada, log_in):
    log_in()

    log_in("192.0.2.99")

    assert len(list_notifications(client)) == 1


def test_risk_treats_the_device_of_another_user_as_new(app, client, ada, log_in, make_user):
    log_in()
    other = client.log_in(make_user(email="eve@example.com"))["device_token"]

    log_in(AWAY, CURL, other)

    assert "new_device" in last_assessment(app)["findings"]


@pytest.mark.requirement("AZ-07")
def test_risk_is_not_assessed_for_a_wrong_password(app, client, ada, log_in):
    log_in()
    before = len(audited(app, "risk.assessed"))

    log_in(AWAY, CURL, password="a wrong password")

    assert len(audited(app, "risk.assessed", "risk.refused")) == before
    assert list_notifications(client) == []


# Headers of the client


@pytest.mark.requirement("AZ-07")
@with_policy('new_country = "refuse"')
def test_risk_location_ignores_client_headers(app, ada, log_in):
    log_in()

    plain, spoofed = log_in(AWAY), log_in(AWAY, headers=GEO_HEADERS)

    assert [plain.status_code, spoofed.status_code] == [403, 403]
    first, second = (event.details for event in audited(app, "risk.refused"))
    assert first == second


@pytest.mark.requirement("AZ-07")
@pytest.mark.parametrize(("hops", "status"), [("0", 200), ("1", 403)])
def test_risk_ip_address_is_taken_only_from_a_trusted_proxy(store, tmp_path, hops, status):
    environ = environment(store) | {"GATEHOUSE_TRUSTED_HOPS": hops}
    environ["GATEHOUSE_RISK_POLICY"] = str(tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_text('new_network = "refuse"')
    with started(environ) as app:
        assert log_in_from_header_address(app) == status


def log_in_from_header_address(app):
    """Sign Ada up, log in from home and then with a header that names another address."""
    client = Client(app.test_client)
    with app.app_context():
        with write_transaction():
            keys.ensure_keys()
        db.session.commit()
    client.sign_up(ClientUser(ADA))
    form = {"identifier": ADA, "password": PASSWORD}
    for address in (HOME, AWAY):
        response = client.post("/auth/login", form, headers={"X-Forwarded-For": address})
    return response.status_code


# Decisions


@pytest.mark.stores
@pytest.mark.requirement("AZ-07")
@with_policy('new_network = "refuse"\nnew_device = "notify"')
def test_risk_decision_refuse_is_disclosed_only_after_the_correct_password_and_opens_no_session(
    app, client, ada, log_in
):
    device = log_in().json["device_token"]

    wrong, right = log_in(AWAY, CURL, password="a wrong password"), log_in(AWAY, CURL)

    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_credentials")
    assert (right.status_code, right.json["code"]) == (403, "login_refused")
    assert "network" not in right.json["detail"]
    [event] = audited(app, "risk.refused")
    assert event.user_id == rows(app, User)[0].id
    assert (event.details["decision"], event.outcome) == ("refuse", "failure")
    assert event.details["findings"]["new_network"].endswith("198.51.100.0/24.")
    assert len(rows(app, Session)) == len(rows(app, Device)) == 1
    assert list_notifications(client) == []
    assert log_in(device=device).status_code == 200


@with_policy('new_network = "captcha"')
def test_risk_decision_captcha_applies_after_the_correct_password_and_is_recorded(app, ada, log_in):
    log_in()

    response = log_in(AWAY)

    assert (response.status_code, response.json["code"]) == (403, "captcha_required")
    assert last_assessment(app)["decision"] == "captcha"
    assert len(rows(app, Session)) == 1


def request_email_code(client, challenge):
    """Request the e-mail code of an unusual login; return the form that completes it."""
    [factor] = challenge["factors"]
    form = {"mfa_token": challenge["mfa_token"], "factor_id": factor["id"]}
    assert client.post("/auth/login/mfa/challenge", form).status_code == 200
    [mail, *_] = client.mailbox(to=ADA)
    assert mail["template"] == "factor_code"
    return form | {"code": mail["variables"]["code"]}


@pytest.mark.stores
@with_policy('new_network = "ask_second_factor"')
def test_risk_decision_second_factor_sends_an_email_code_to_users_without_factors(
    app, client, ada, log_in
):
    log_in()

    challenge = log_in(AWAY).json

    assert challenge["status"] == "mfa_required"
    assert [factor["kind"] for factor in challenge["factors"]] == ["email"]
    assert len(rows(app, Session)) == 1
    responses = client.in_parallel(20, "/auth/login/mfa", request_email_code(client, challenge))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 19
    session = rows(app, Session)[-1]
    assert (session.acr, session.amr) == ("aal1", ["pwd", "email"])
    assert rows(app, Credential) == []
    assert log_in().json["status"] == "authenticated"


@with_policy('new_network = "ask_second_factor"')
def test_risk_email_code_attempts_are_counted_like_factor_attempts(app, client, ada, log_in):
    log_in()

    statuses = []
    for _ in range(2):
        form = request_email_code(client, log_in(AWAY).json)
        form["code"] = wrong_code(form["code"])
        statuses += [client.post("/auth/login/mfa", form).status_code for _ in range(4)]

    assert statuses == [401] * 5 + [429] * 3
    assert len(audited(app, "factor.failed")) == 5
    assert len(rows(app, Session)) == 1


@with_policy('new_network = "ask_second_factor"')
def test_risk_decision_second_factor_lets_a_login_by_email_code_pass_and_notifies(
    app, client, ada, log_in
):
    log_in()
    away = {"environ_overrides": {"REMOTE_ADDR": AWAY}}
    token = client.post("/auth/login/link", {"email": ADA}, **away).json["login_token"]
    form = {"login_token": token, "code": read_mail(client, ADA)["code"]}

    response = client.post("/auth/login/link/verify", form, **away)

    assert response.json["status"] == "authenticated"
    assert len(list_notifications(client)) == 1


@with_policy('new_network = "ask_second_factor"')
def test_risk_decision_second_factor_notifies_if_no_email_code_is_available(
    app, client, ada, log_in
):
    settings = app.extensions["gatehouse.settings"]
    app.extensions["gatehouse.settings"] = replace(settings, factors=("totp", "recovery_codes"))
    log_in()

    response = log_in(AWAY)

    assert response.json["status"] == "authenticated"
    assert last_assessment(app)["decision"] == "ask_second_factor"
    assert len(list_notifications(client)) == 1


@with_policy('new_device = "allow"')
def test_risk_decision_allow_sends_no_notification(app, client, ada, log_in):
    log_in()

    log_in(AWAY, CURL)

    assert last_assessment(app)["decision"] == "allow"
    assert "new_device" in last_assessment(app)["findings"]
    assert rows(app, OutboxMessage, template="notice_new_device") == []


@with_policy('new_device = "notify"\nnew_network = "captcha"\nnew_country = "refuse"')
def test_risk_decision_is_the_strictest_of_all_findings(ada, log_in):
    log_in()

    assert log_in(AWAY, CURL).json["code"] == "login_refused"


@pytest.mark.requirement("RL-09")
@with_policy('failures_before = "notify"')
def test_risk_policy_can_notify_of_a_correct_password_after_wrong_ones(app, client, ada, log_in):
    device = log_in().json["device_token"]
    for _ in range(3):
        log_in(device=device, password="a wrong password")

    log_in(device=device)

    assert last_assessment(app)["findings"].keys() == {"failures_before"}
    assert last_assessment(app)["facts"]["failures_here"] == 3
    assert len(list_notifications(client)) == 1


@pytest.mark.requirement("AZ-07")
@with_policy('known_bad_network = "refuse"')
def test_risk_policy_can_refuse_a_bad_network_at_the_first_login(ada, log_in):
    assert log_in("203.0.113.7").json["code"] == "login_refused"
    assert log_in(HOME).status_code == 200


@with_policy('dormant_account = "refuse"\nunusual_hour = "refuse"')
def test_risk_policy_applies_after_the_account_checks(app, ada, log_in, wait):
    log_in()
    wait(days=91)
    with app.app_context():
        db.session.execute(sa.update(User).values(disabled_at=sa.func.now()))
        db.session.commit()

    assert log_in().json["code"] == "account_disabled"


@pytest.mark.requirement("AZ-07")
@with_policy('impossible_travel = "refuse"')
def test_risk_impossible_travel_ends_after_enough_time_for_a_flight(ada, log_in, wait):
    log_in()
    assert log_in(AWAY).json["code"] == "login_refused"

    wait(hours=20)

    assert log_in(AWAY).status_code == 200


def test_risk_history_is_read_by_one_statement_with_its_own_index(app, ada, log_in):
    device = log_in().json["device_token"]
    executed = []

    def record(_connection, _cursor, statement, parameters, *_rest):
        if "FROM audit_events" in statement:
            executed.append((statement, parameters))

    with app.app_context():
        sa.event.listen(db.engine, "before_cursor_execute", record)
        log_in(device=device)
        sa.event.remove(db.engine, "before_cursor_execute", record)
        [(statement, parameters)] = executed
        explained = db.session.connection().exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", parameters
        )
        plan = str(explained.all())

    assert "ix_audit_events_logins" in plan
    assert "SCAN audit_events" not in plan


@pytest.mark.stores
def test_risk_history_is_limited_to_fifty_logins(app, ada, log_in):
    device = log_in().json["device_token"]
    log_in(AWAY, CURL, device)
    repeat_login(app, 49)

    log_in(HOME, FIREFOX, device)

    assert "new_network" in last_assessment(app)["findings"]


def test_risk_audit_events_contain_no_secrets(app, client, log_in):
    client.sign_up(ClientUser(ADA))
    device = log_in().json["device_token"]
    log_in(AWAY, CURL, device)

    details = str([event.details for event in audited(app, "risk.assessed")])

    assert device not in details
    assert PASSWORD not in details
    assert read_mail(client, ADA)["code"] not in details
