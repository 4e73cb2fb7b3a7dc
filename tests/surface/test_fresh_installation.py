"""A new installation has no account: an operator makes the first."""

import pytest
import sqlalchemy as sa

from gatehouse.database.session import Base, db
from tests.client import PASSWORD

ACCOUNTS = {"users", "service_accounts", "api_keys"}
NAMES = ("admin", "root", "administrator", "gatehouse", "test", "admin@example.com")
GUESSES = ("admin", "password", "changeme", "gatehouse", "root", "", PASSWORD)


def belongs_to_account(table):
    parents = {key.column.table.name for key in table.foreign_keys}
    return table.name in ACCOUNTS or not ACCOUNTS.isdisjoint(parents)


@pytest.mark.stores
@pytest.mark.requirement("AZ-06")
def test_new_installation_has_no_account_and_no_role_of_anybody(app, client):
    with app.app_context():
        tables = [table for table in Base.metadata.sorted_tables if belongs_to_account(table)]
        count = sa.select(sa.func.count())
        found = {one.name: db.session.scalar(count.select_from(one)) for one in tables}

    assert {name for name, rows in found.items() if rows} == set()
    assert {"users", "passwords", "credentials", "role_assignments", "sessions"} <= found.keys()
    statuses = {
        client.post("/auth/login", {"identifier": name, "password": guess}).status_code
        for name in NAMES
        for guess in GUESSES
    }
    assert statuses <= {401, 422, 429}
