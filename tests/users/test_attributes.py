"""Attributes of users: who writes and reads which, through every way in."""

from functools import partial

import jwt
import pytest

from models import AuditEvent, OneTimeCode
from models import User as Account
from tests.client import PASSWORD, User
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.users.conftest import BOTH, PROPERTIES

ADA, ROOT = "ada@example.com", "root@example.com"
OWN = {"nickname": "Ada", "address": {"city": "Berlin", "zip": "10115"}, "levels": [1, 2]}


@pytest.fixture
def ada(client, make_user, declare):
    declare()
    return client.as_(client.log_in(make_user(email=ADA)))


@pytest.fixture
def admin(sign_in_as):
    return sign_in_as("admin", email=ROOT)


def stored(app, email=ADA):
    [user] = rows(app, Account, email_canonical=email)
    return user.attributes


def claims_of(tokens):
    return jwt.decode(tokens["access_token"], options={"verify_signature": False})


def codes(response):
    return {path: one[0]["code"] for path, one in response.json["errors"].items()}


@pytest.mark.stores
def test_attributes_are_written_merged_and_removed_by_their_user(app, ada):
    first = ada.patch("/auth/me", {"attributes": OWN})
    second = ada.patch("/auth/me", {"attributes": {"nickname": "Countess", "levels": None}})

    assert (first.status_code, first.json["attributes"]) == (200, OWN)
    assert second.json["attributes"] == {"nickname": "Countess", "address": OWN["address"]}
    assert ada.get("/auth/me").json["attributes"] == second.json["attributes"]
    assert stored(app) == second.json["attributes"]
    [event, _] = audited(app, "account.profile_changed")
    assert event.details["fields"] == [
        *("attributes.address", "attributes.levels", "attributes.nickname")
    ]
    assert "Berlin" not in str([row.details for row in rows(app, AuditEvent)])
    ada.patch("/auth/me", {"attributes": {"nickname": None, "address": None}})
    assert stored(app) is None


@pytest.mark.requirement("RG-07")
def test_attributes_of_administrators_are_unknown_fields_to_users_at_every_way_in(
    app, client, ada, declare
):
    """Mass assignment: what only administrators write is as unknown as what does not exist."""
    for attributes in (
        {"department": "sales"},
        {"notes": "trusted"},
        {"roles": ["admin"]},
        {"is_admin": True},
        {"nickname": "Ada", "department": None},
        {"__class__": "x"},
    ):
        [name] = attributes.keys() - {"nickname"}
        update = ada.patch("/auth/me", {"attributes": attributes})
        sign_up = client.as_("").register("eve@example.com", attributes=attributes)

        for response in (update, sign_up):
            assert response.status_code == 422, attributes
            assert codes(response) == {f"attributes.{name}": "unknown_field"}
    assert stored(app) is None
    assert rows(app, OneTimeCode, purpose="registration") == []


def test_attributes_that_are_invalid_are_named_with_a_code_and_a_sentence(app, ada):
    response = ada.patch(
        "/auth/me",
        {
            "attributes": {
                "nickname": "x" * 21,
                "address": {"zip": "1", "street": "x"},
                "birthday": "2026-02-30",
                "levels": [0, "1", 2, 2],
            }
        },
    )

    assert response.status_code == 422
    errors = response.json["errors"]
    assert errors["attributes.nickname"] == [
        {"code": "too_long", "message": "Use at most 20 characters."}
    ]
    assert errors["attributes.birthday"] == [
        {"code": "invalid", "message": "Write a date, such as 2026-12-24."}
    ]
    assert errors["attributes.address.city"][0]["code"] == "required"
    assert errors["attributes.address.zip"][0]["code"] == "invalid"
    assert errors["attributes.address"] == [
        {"code": "unknown_field", "message": "There is no field 'street'."}
    ]
    assert errors["attributes.levels.0"] == [{"code": "out_of_range", "message": "Use 1 or more."}]
    assert errors["attributes.levels.1"][0]["message"] == "Send a whole number."
    assert {one["code"] for one in errors["attributes.levels"]} == {"too_long", "duplicate"}
    assert stored(app) is None


@pytest.mark.stores
def test_attributes_that_no_database_or_reader_could_hold_are_rejected(app, ada, declare):
    free = {"x-gatehouse": {"read": BOTH, "write": BOTH}}
    declare(anything=free)
    for value, code in (
        ("a\x00b", "unprintable"),
        ("\ud800", "unprintable"),
        ("\x1b[2J", "unprintable"),
        ({"a\x00": 1}, "unprintable"),
        (2**60, "out_of_range"),
        (1e300, "out_of_range"),
        ([[[[[[[["deep"]]]]]]]], "too_deep"),
        ("x" * 9000, "too_large"),
    ):
        response = ada.patch("/auth/me", {"attributes": {"anything": value}})
        assert response.status_code == 422, value
        assert [one[0]["code"] for one in response.json["errors"].values()] == [code]
    for wrong in ("x", [], 3, None):
        assert ada.patch("/auth/me", {"attributes": wrong}).status_code == 422
    assert (
        ada.patch("/auth/me", {"attributes": {"anything": "two\nlines, 日本"}}).status_code == 200
    )
    assert stored(app) == {"anything": "two\nlines, 日本"}


@pytest.mark.stores
def test_attributes_of_a_sign_up_are_those_of_the_account(app, client, declare):
    declare()
    user = User("grace@example.com")

    client.sign_up(user, attributes=OWN)

    assert stored(app, "grace@example.com") == OWN
    assert client.log_in(user)["user"]["attributes"] == OWN


def test_attributes_of_a_sign_up_that_the_schema_has_changed_for_are_left_out(app, client, declare):
    declare()
    client.register("grace@example.com", attributes=OWN)
    declare(**PROPERTIES | {"nickname": {"type": "integer"}, "levels": {"type": "array"}})

    assert client.verify("grace@example.com").status_code == 200

    assert stored(app, "grace@example.com") == {"address": OWN["address"]}


@pytest.mark.stores
def test_attributes_are_written_and_read_by_administrators_as_declared(app, ada, admin):
    ada.patch("/auth/me", {"attributes": OWN})
    created = admin.post(
        "/admin/users",
        {"email": "bob@example.com", "attributes": {"department": "sales", "notes": "vip"}},
    )
    refused = admin.post(
        "/admin/users",
        {"email": "eve@example.com", "attributes": {"address": {"city": "Rome"}}},
    )
    [user] = rows(app, Account, email_canonical=ADA)
    path = f"/admin/users/{user.id}"
    version = {"If-Match": admin.get(path).headers["ETag"]}
    changed = admin.patch(
        path, {"attributes": {"notes": "late", "nickname": None}}, headers=version
    )
    stale = admin.patch(path, {"attributes": {"notes": "again"}}, headers=version)

    assert created.json["attributes"] == {"department": "sales", "notes": "vip"}
    assert (refused.status_code, codes(refused)) == (422, {"attributes.address": "unknown_field"})
    assert changed.json["attributes"] == {
        "notes": "late",
        "address": OWN["address"],
        "levels": [1, 2],
    }
    assert stale.status_code == 412
    assert ada.get("/auth/me").json["attributes"] == {
        "address": OWN["address"],
        "levels": [1, 2],
    }
    assert stored(app) == {"address": OWN["address"], "levels": [1, 2], "notes": "late"}
    assert rows(app, Account, email_canonical="eve@example.com") == []


@pytest.mark.requirement("RG-07")
@pytest.mark.parametrize("role", ["support", "admin"])
def test_administrators_do_not_write_what_administrators_write_of_their_own_account(
    app, sign_in_as, declare, role
):
    declare()
    caller = sign_in_as(role, email=ADA)
    [user] = rows(app, Account, email_canonical=ADA)
    path, any_version = f"/admin/users/{user.id}", {"If-Match": "*"}

    own = caller.patch(path, {"attributes": {"department": "sales"}}, headers=any_version)
    nickname = caller.patch(path, {"attributes": {"nickname": "Ada"}}, headers=any_version)

    assert (own.status_code, codes(own)) == (422, {"attributes.department": "unknown_field"})
    assert nickname.status_code == 200
    assert stored(app) == {"nickname": "Ada"}


def test_attributes_that_only_users_read_are_hidden_from_administrators(app, ada, admin, declare):
    declare(**PROPERTIES | {"address": PROPERTIES["address"] | {"x-gatehouse": {"read": ["user"]}}})
    [user] = rows(app, Account, email_canonical=ADA)

    shown = admin.get(f"/admin/users/{user.id}").json

    assert shown["attributes"] == {}


def test_export_shows_all_attributes_also_those_that_the_user_does_not_read(ada, admin, app):
    [user] = rows(app, Account, email_canonical=ADA)
    path = f"/admin/users/{user.id}"
    version = {"If-Match": admin.get(path).headers["ETag"]}
    admin.patch(path, {"attributes": {"notes": "difficult"}}, headers=version)

    export = ada.get("/auth/me/export")

    assert export.json["account"]["attributes"] == {"notes": "difficult"}
    assert ada.get("/auth/me").json["attributes"] == {}


@pytest.mark.stores
def test_attributes_changed_in_parallel_are_all_kept(app, ada, declare):
    free = {"type": "integer", "x-gatehouse": {"read": BOTH, "write": BOTH}}
    names = [f"number_{number}" for number in range(10)]
    declare(**dict.fromkeys(names, free))

    responses = run_in_parallel(
        *(partial(ada.patch, "/auth/me", {"attributes": {name: 1}}) for name in names)
    )

    assert {response.status_code for response in responses} == {200}
    assert stored(app) == dict.fromkeys(names, 1)


# Claims


@pytest.mark.stores
def test_claims_of_attributes_are_in_every_access_token(app, client, ada, admin):
    tokens = client.as_("").log_in(User(ADA, PASSWORD))
    before = claims_of(tokens)
    [user] = rows(app, Account, email_canonical=ADA)
    path = f"/admin/users/{user.id}"
    version = {"If-Match": admin.get(path).headers["ETag"]}
    admin.patch(path, {"attributes": {"department": "sales", "notes": "x"}}, headers=version)
    ada.patch("/auth/me", {"attributes": {"levels": [3], "nickname": "A"}})

    refreshed = client.refresh(tokens).json
    after = claims_of(refreshed)

    expected = {"department": "sales", "https://example.com/levels": [3]}
    assert "department" not in before
    assert {name: after[name] for name in after.keys() - before.keys()} == expected
    assert client.as_(refreshed).get("/auth/me").status_code == 200
    assert expected.items() <= claims_of(client.as_("").log_in(User(ADA, PASSWORD))).items()
    refresh_token = jwt.decode(refreshed["refresh_token"], options={"verify_signature": False})
    assert not expected.keys() & refresh_token.keys()
    acted = admin.post(f"{path}/impersonate", {"reason": "ticket"})
    assert claims_of(acted.json)["department"] == "sales"


def test_claims_that_make_a_token_too_large_are_rejected_at_the_write(app, ada, declare):
    long = {"type": "string", "x-gatehouse": {"read": BOTH, "write": BOTH, "claim": "motto"}}
    declare(motto=long)

    fits = ada.patch("/auth/me", {"attributes": {"motto": "x" * 380}})
    ascii_only = ada.patch("/auth/me", {"attributes": {"motto": "x" * 400}})
    escaped = ada.patch("/auth/me", {"attributes": {"motto": "日" * 100}})

    assert fits.status_code == 200
    for response in (ascii_only, escaped):
        assert (response.status_code, codes(response)) == (422, {"attributes": "claims_too_large"})
