"""`gatehouse audit list`, and lists as CSV."""

import csv
import io
import json
import re

import pytest

from gatehouse.cli.spreadsheets import to_csv
from models import User
from tests.rows import audited, rows
from tests.tokens.forgery import case

ADA = "ada@example.com"


@pytest.fixture
def run(app):
    def run(*arguments, exit_code=0):
        result = app.test_cli_runner().invoke(args=list(arguments))
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


@pytest.mark.stores
def test_audit_lists_events_by_user_name_request_and_time(app, client, make_user, run):
    user = make_user(email=ADA)
    client.post("/auth/login", {"identifier": ADA, "password": "wrong"})
    client.log_in(user)
    run("users", "disable", ADA, "--reason", "stolen\tlaptop")
    [failed] = audited(app, "login.failed")
    [account] = rows(app, User)

    def names(*options):
        return [
            event["name"] for event in json.loads(run("audit", "list", "--json", *options))["items"]
        ]

    found = names("--user", ADA)
    assert {found[0], names("--user", str(account.id))[0]} <= {"user.disabled", "session.ended"}
    assert {"login.failed", "login.succeeded", "user.disabled"} <= set(found)
    assert names("--event", "user") == ["user.disabled"]
    assert names("--event", "login.failed") == ["login.failed"]
    assert set(names("--request-id", failed.request_id)) >= {"login.failed"}
    assert names("--since", "2099-01-01") == names("--until", "2001-01-01") == []
    shown = run("audit", "list", "--event", "user.disabled")
    assert "by operator" in shown
    assert "stolen\\tlaptop" in shown
    first = run("audit", "list", "--limit", "1")
    following = run(
        "audit", "list", "--limit", "1", "--cursor", first.split("--cursor ")[1].strip()
    )
    assert following.splitlines()[0] not in first


def test_audit_reports_mistakes_in_a_sentence(run):
    assert "no event login.fialed" in run("audit", "list", "--event", "login.fialed", exit_code=2)
    assert "has no account" in run("audit", "list", "--user", "nobody", exit_code=1)
    assert "write a time" in run("audit", "list", "--since", "yesterday", exit_code=2)


@pytest.mark.requirement("AP-16")
def test_csv_of_users_contains_no_formula(app, make_user, run):
    make_user(email="ada@example.com", name='=cmd|"/c calc"!A1')
    make_user(email="+49@example.com", name='Ann, "Example"')

    read = list(csv.DictReader(io.StringIO(run("users", "list", "--csv"))))

    assert {row["name"] for row in read} == {'\'=cmd|"/c calc"!A1', 'Ann, "Example"'}
    assert {row["email"] for row in read} == {"ada@example.com", "'+49@example.com"}
    assert all(re.fullmatch(r"[-0-9]{10}T[:0-9]{8}\.\d{3}Z", row["created_at"]) for row in read)
    for start in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20":
        with case(start=start):
            [row] = csv.reader(io.StringIO(to_csv([{"x": f"{start}1+1"}]).partition("\n")[2]))
            assert row == [f"'{start}1+1"]
    assert to_csv([]) == ""
