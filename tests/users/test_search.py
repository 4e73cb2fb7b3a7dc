"""Search of users: by identifier, status, role, factor and dates; pages; the estimate."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text, update

from gatehouse.core import clock
from gatehouse.database.session import db
from gatehouse.users import managed_users, search
from gatehouse.users.search import UserFilter
from gatehouse.web.etags import compute_etag
from models import Credential, RoleAssignment, User
from tests.tokens.forgery import case

START = datetime(2026, 1, 1, tzinfo=UTC)
FIELDS = {
    "ann": {"username": "ann", "phone": "+4915112345678", "phone_verified_at": START},
    "anna": {},
    "bob": {"username": "Annex"},
    "a_c": {"email_verified_at": None},
    "abc": {"disabled_at": START},
    "dee": {"disabled_at": START, "deleted_at": START},
}


@pytest.fixture
def people(app):
    """Six users, created a day apart."""
    with app.app_context():
        for day, (name, fields) in enumerate(FIELDS.items()):
            email = f"{name}@example.com"
            about = {"email": email, "email_canonical": email, "email_verified_at": START}
            user = User(**about | {"created_at": START + timedelta(days=day)} | fields)
            user.username_canonical = user.username.lower() if user.username else None
            db.session.add(user)
        db.session.flush()
        ids = {user.email.partition("@")[0]: user.id for user in db.session.query(User)}
        role = {"subject_kind": "user", "subject_id": ids["bob"], "user_id": ids["bob"]}
        db.session.add(RoleAssignment(role="admin", **role))
        for name, kind, confirmed_at in (("ann", "totp", START), ("anna", "totp", None)):
            row = Credential(user_id=ids[name], kind=kind, label="Phone", data=b"", counter=0)
            row.confirmed_at = confirmed_at
            db.session.add(row)
        db.session.commit()
    return ids


def find(app, limit=50, after=None, **wanted):
    """Return the names of the found users, in order."""
    with app.app_context():
        page = search.search_users(UserFilter(**wanted), limit, after)
        return [row.email.partition("@")[0] for row in page.rows]


@pytest.mark.stores
def test_search_finds_users_by_each_condition(app, people):
    all_names = ["dee", "abc", "a_c", "bob", "anna", "ann"]
    day = timedelta(days=1)
    expected = [
        ({}, all_names),
        ({"text": str(people["bob"])}, ["bob"]),
        ({"text": "+49 151 12345678"}, ["ann"]),
        ({"text": "+49 151 1234567"}, []),
        ({"text": "+"}, []),
        ({"text": "ANN"}, ["bob", "anna", "ann"]),
        ({"text": "ann@"}, ["ann"]),
        ({"text": "Ann@Example.com"}, ["ann"]),
        ({"text": "a_"}, ["a_c"]),
        ({"text": "%"}, []),
        ({"text": "ann", "whole_emails_only": True}, ["bob", "ann"]),
        ({"text": "anna@example.com", "whole_emails_only": True}, ["anna"]),
        ({"status": "active"}, ["bob", "anna", "ann"]),
        ({"status": "unverified"}, ["a_c"]),
        ({"status": "disabled"}, ["abc"]),
        ({"status": "deleted"}, ["dee"]),
        ({"role": "admin"}, ["bob"]),
        ({"role": "user"}, all_names),
        ({"role": "king"}, []),
        ({"factor": "totp"}, ["ann"]),
        ({"factor": "none"}, all_names[:-1]),
        ({"created_after": START + 4 * day}, ["dee", "abc"]),
        ({"created_before": START + 1 * day}, ["ann"]),
        ({"text": "ann", "role": "admin"}, ["bob"]),
    ]

    for wanted, names in expected:
        with case(wanted=wanted):
            assert find(app, **wanted) == names


@pytest.mark.stores
def test_search_pages_find_each_user_once_also_with_equal_times(app, people):
    with app.app_context():
        db.session.execute(update(User).values(created_at=START))
        db.session.commit()
        found, after, totals = [], None, []
        for _ in range(3):
            page = search.search_users(UserFilter(), 2, after)
            found += [row.id for row in page.rows]
            totals.append(page.estimated_total)
            after = page.next_position

    assert sorted(found) == sorted(people.values())
    assert (after, totals) == (None, [6, None, None])


@pytest.mark.stores
def test_search_estimates_how_many_users_there_are_beyond_those_it_counts(app, people, monkeypatch):
    monkeypatch.setattr(search, "EXACT_COUNT", 2)

    with app.app_context():
        if db.engine.dialect.name == "postgresql":
            db.session.execute(text("ANALYZE users"))
        few = search.search_users(UserFilter(role="admin"), 1).estimated_total
        many = search.search_users(UserFilter(text="a"), 1).estimated_total

    assert few == 1
    assert 3 <= many <= 6


@pytest.mark.requirement("AZ-03")
def test_masked_contacts_show_no_address_and_no_number():
    ann = {"email": "ann@example.com", "phone": "+4915112345678", "attributes": {"city": "Rome"}}
    masked = managed_users.mask_contacts(ann)
    without = managed_users.mask_contacts({"email": "b@example.com", "phone": None})

    assert masked == {"email": "a***@example.com", "phone": "+49*********78", "attributes": {}}
    assert without == {"email": "b***@example.com", "phone": None, "attributes": {}}


def test_etag_changes_with_every_member_that_is_shown():
    user = {"name": "Ann", "created_at": clock.UNIX_EPOCH}

    assert compute_etag(user) == compute_etag(dict(user))
    assert compute_etag(user) != compute_etag(user | {"name": "Bob"})
