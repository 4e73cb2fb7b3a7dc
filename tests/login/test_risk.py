"""Adaptive login over HTTP: what stands out is written down, and does what the policy says."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from gatehouse.core import crypto
from gatehouse.database.session import db, writing
from gatehouse.tokens import keys
from models import AuditEvent, Credential, Device, OutboxMessage, Session, User
from tests.client import PASSWORD, Client
from tests.client import User as Person
from tests.conftest import environment
from tests.conftest import running as started
from tests.letters import letter, other_code
from tests.login.risk import informed, policy, ruled
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
    return informed(store, tmp_path_factory.getbasetemp())


@pytest.fixture
def app(app, request, tmp_path):
    """An application with a policy, as in `@policy(...)`, and a GeoIP file."""
    return ruled(app, request, tmp_path)


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
    """Let the newest login have happened so many times more."""
    newest = audited(app, "login.succeeded")[-1]
    columns = {column.key: getattr(newest, column.key) for column in sa.inspect(AuditEvent).columns}
    copies = [columns | {"id": crypto.new_id()} for _ in range(times)]
    with app.app_context():
        db.session.execute(sa.insert(AuditEvent), copies)
        db.session.commit()


def judged(app):
    """Return the details of the newest decision."""
    return audited(app, "risk.judged", "risk.refused")[-1].details


def notices(client):
    return [mail for mail in client.mailbox(to=ADA) if "signed in" in mail["text"]]


# As shipped


@pytest.mark.stores
@pytest.mark.requirement("AZ-07")
def test_as_shipped_the_owner_hears_of_a_new_device_and_everything_else_is_written_down(
    app, client, ada, log_in
):
    log_in()

    answer = log_in(AWAY, CURL)

    assert answer.status_code == 200
    found = judged(app)
    assert found["decision"] == "notify"
    assert found["findings"].keys() == {
        *("new_device", "new_network", "new_country", "impossible_travel")
    }
    assert found["facts"]["device_known"] is False
    [notice] = notices(client)
    assert notice["variables"]["address"] == AWAY
    assert notice["variables"]["link"] == "http://localhost:8000/forgot-password"


@pytest.mark.requirement("AZ-07")
def test_the_first_login_of_an_account_is_nothing_new(app, client, ada, log_in):
    log_in()

    assert judged(app) == {
        "decision": "allow",
        "findings": {},
        "facts": {"device_known": False, "failures": 0, "strangers": 0, "raised": False},
    }
    assert notices(client) == []


def test_a_known_device_tells_nobody_wherever_it_is(client, ada, log_in):
    device = log_in().json["device_token"]

    log_in(AWAY, CURL, device)

    assert notices(client) == []


def test_a_browser_that_lost_its_cookie_is_a_new_device(client, ada, log_in):
    log_in()

    log_in("192.0.2.99")

    assert len(notices(client)) == 1


def test_somebody_elses_device_is_not_known(app, client, ada, log_in, make_user):
    log_in()
    other = client.log_in(make_user(email="eve@example.com"))["device_token"]

    log_in(AWAY, CURL, other)

    assert "new_device" in judged(app)["findings"]


@pytest.mark.requirement("AZ-07")
def test_a_wrong_password_is_not_weighed(app, client, ada, log_in):
    log_in()
    before = len(audited(app, "risk.judged"))

    log_in(AWAY, CURL, password="a wrong password")

    assert len(audited(app, "risk.judged", "risk.refused")) == before
    assert notices(client) == []


# What the client says of itself


@pytest.mark.requirement("AZ-07")
@policy('new_country = "refuse"')
def test_no_header_moves_anybody_to_another_country(app, ada, log_in):
    log_in()

    plain, spoofed = log_in(AWAY), log_in(AWAY, headers=GEO_HEADERS)

    assert [plain.status_code, spoofed.status_code] == [403, 403]
    first, second = (event.details for event in audited(app, "risk.refused"))
    assert first == second


@pytest.mark.requirement("AZ-07")
@pytest.mark.parametrize(("hops", "status"), [("0", 200), ("1", 403)])
def test_an_address_counts_where_a_proxy_of_ours_wrote_it(store, tmp_path, hops, status):
    environ = environment(store) | {"GATEHOUSE_TRUSTED_HOPS": hops}
    environ["GATEHOUSE_RISK_POLICY"] = str(tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_text('new_network = "refuse"')
    with started(environ) as app:
        assert moved(app) == status


def moved(app):
    """Sign Ada up and in from home, and return what is answered when a header says "away"."""
    client = Client(app.test_client)
    with app.app_context():
        with writing():
            keys.ensure()
        db.session.commit()
    client.sign_up(Person(ADA))
    form = {"identifier": ADA, "password": PASSWORD}
    for address in (HOME, AWAY):
        answer = client.post("/auth/login", form, headers={"X-Forwarded-For": address})
    return answer.status_code


# Each decision


@pytest.mark.stores
@pytest.mark.requirement("AZ-07")
@policy('new_network = "refuse"\nnew_device = "notify"')
def test_refuse_is_told_after_the_right_password_only_and_leaves_no_trace_of_a_login(
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
    assert notices(client) == []
    assert log_in(device=device).status_code == 200


@policy('new_network = "captcha"')
def test_captcha_is_asked_after_the_right_password_and_written_down(app, ada, log_in):
    log_in()

    answer = log_in(AWAY)

    assert (answer.status_code, answer.json["code"]) == (403, "captcha_required")
    assert judged(app)["decision"] == "captcha"
    assert len(rows(app, Session)) == 1


def ask_by_mail(client, question):
    """Have the code of an unusual login mailed; return the form that proves it."""
    [offer] = question["factors"]
    form = {"mfa_token": question["mfa_token"], "factor_id": offer["id"]}
    assert client.post("/auth/login/mfa/challenge", form).status_code == 200
    [mail, *_] = client.mailbox(to=ADA)
    assert mail["template"] == "factor_code"
    return form | {"code": mail["variables"]["code"]}


@pytest.mark.stores
@policy('new_network = "ask_second_factor"')
def test_who_has_no_second_factor_is_asked_for_a_code_by_mail_for_this_login(
    app, client, ada, log_in
):
    log_in()

    question = log_in(AWAY).json

    assert question["status"] == "mfa_required"
    assert [offer["kind"] for offer in question["factors"]] == ["email"]
    assert len(rows(app, Session)) == 1
    answers = client.in_parallel(20, "/auth/login/mfa", ask_by_mail(client, question))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    session = rows(app, Session)[-1]
    assert (session.acr, session.amr) == ("aal1", ["pwd", "email"])
    assert rows(app, Credential) == []
    assert log_in().json["status"] == "authenticated"


@policy('new_network = "ask_second_factor"')
def test_a_wrong_mailed_code_lets_nobody_in_and_is_counted_where_those_of_factors_are(
    app, client, ada, log_in
):
    log_in()

    statuses = []
    for _ in range(2):
        form = ask_by_mail(client, log_in(AWAY).json)
        form["code"] = other_code(form["code"])
        statuses += [client.post("/auth/login/mfa", form).status_code for _ in range(4)]

    assert statuses == [401] * 5 + [429] * 3
    assert len(audited(app, "factor.failed")) == 5
    assert len(rows(app, Session)) == 1


@policy('new_network = "ask_second_factor"')
def test_who_came_by_the_mailbox_has_nothing_else_to_prove_and_gets_in(app, client, ada, log_in):
    log_in()
    away = {"environ_overrides": {"REMOTE_ADDR": AWAY}}
    token = client.post("/auth/login/link", {"email": ADA}, **away).json["login_token"]
    form = {"login_token": token, "code": letter(client, ADA)["code"]}

    answer = client.post("/auth/login/link/verify", form, **away)

    assert answer.json["status"] == "authenticated"
    assert len(notices(client)) == 1


@policy('new_network = "ask_second_factor"')
def test_where_no_code_may_be_mailed_who_has_no_factor_gets_in_and_the_owner_hears_of_it(
    app, client, ada, log_in
):
    kept = app.extensions["gatehouse.settings"]
    app.extensions["gatehouse.settings"] = replace(kept, factors=("totp", "recovery_codes"))
    log_in()

    answer = log_in(AWAY)

    assert answer.json["status"] == "authenticated"
    assert judged(app)["decision"] == "ask_second_factor"
    assert len(notices(client)) == 1


@policy('new_device = "allow"')
def test_allow_tells_nobody(app, client, ada, log_in):
    log_in()

    log_in(AWAY, CURL)

    assert judged(app)["decision"] == "allow"
    assert "new_device" in judged(app)["findings"]
    assert rows(app, OutboxMessage, template="notice_new_device") == []


@policy('new_device = "notify"\nnew_network = "captcha"\nnew_country = "refuse"')
def test_the_strictest_decision_wins(ada, log_in):
    log_in()

    assert log_in(AWAY, CURL).json["code"] == "login_refused"


@pytest.mark.requirement("RL-09")
@policy('failures_before = "notify"')
def test_the_owner_can_hear_of_a_right_password_after_wrong_ones(app, client, ada, log_in):
    device = log_in().json["device_token"]
    for _ in range(3):
        log_in(device=device, password="a wrong password")

    log_in(device=device)

    assert judged(app)["findings"].keys() == {"failures_before"}
    assert judged(app)["facts"]["failures"] == 3
    assert len(notices(client)) == 1


@pytest.mark.requirement("AZ-07")
@policy('known_bad_network = "refuse"')
def test_a_listed_network_is_refused_the_first_time_as_well(ada, log_in):
    assert log_in("203.0.113.7").json["code"] == "login_refused"
    assert log_in(HOME).status_code == 200


@policy('dormant_account = "refuse"\nunusual_hour = "refuse"')
def test_a_gate_is_told_before_the_policy(app, ada, log_in, wait):
    log_in()
    wait(days=91)
    with app.app_context():
        db.session.execute(sa.update(User).values(disabled_at=sa.func.now()))
        db.session.commit()

    assert log_in().json["code"] == "account_disabled"


@pytest.mark.requirement("AZ-07")
@policy('impossible_travel = "refuse"')
def test_whoever_waits_for_a_flight_gets_in(ada, log_in, wait):
    log_in()
    assert log_in(AWAY).json["code"] == "login_refused"

    wait(hours=20)

    assert log_in(AWAY).status_code == 200


def test_the_history_is_one_statement_and_its_own_index(app, ada, log_in):
    device = log_in().json["device_token"]
    sent = []

    def note(_connection, _cursor, statement, parameters, *_rest):
        if "FROM audit_events" in statement:
            sent.append((statement, parameters))

    with app.app_context():
        sa.event.listen(db.engine, "before_cursor_execute", note)
        log_in(device=device)
        sa.event.remove(db.engine, "before_cursor_execute", note)
        [(statement, parameters)] = sent
        explained = db.session.connection().exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", parameters
        )
        plan = str(explained.all())

    assert "ix_audit_events_logins" in plan
    assert "SCAN audit_events" not in plan


@pytest.mark.stores
def test_of_a_long_history_fifty_logins_count(app, ada, log_in):
    device = log_in().json["device_token"]
    log_in(AWAY, CURL, device)
    repeat_login(app, 49)

    log_in(HOME, FIREFOX, device)

    assert "new_network" in judged(app)["findings"]


def test_no_secret_stands_in_the_audit(app, client, log_in):
    client.sign_up(Person(ADA))
    device = log_in().json["device_token"]
    log_in(AWAY, CURL, device)

    told = str([event.details for event in audited(app, "risk.judged")])

    assert device not in told
    assert PASSWORD not in told
    assert letter(client, ADA)["code"] not in told
