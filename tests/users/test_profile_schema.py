"""The profile schema: what may be declared, and that no user is left with what it rejects."""

import time
from functools import partial
from uuid import UUID

import pytest
import sqlalchemy as sa

from gatehouse.core.errors import ValidationFailed
from gatehouse.database.session import db
from gatehouse.users import profile_schema
from models import ProfileSchema
from models import User as Account
from tests.parallel import run_in_parallel
from tests.rows import audited, rows
from tests.users.conftest import BOTH, PROPERTIES, schema_of

PATH = "/admin/profile-schema"
FREE = {"read": BOTH, "write": BOTH}
BOMB = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(30)}
CHAIN = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(30)}
LONG_CHAIN = {f"a{n}": {"$ref": f"#/$defs/a{n + 1}"} for n in range(800)}


@pytest.fixture
def admin(sign_in_as):
    return sign_in_as("admin", email="root@example.com")


def claim(name):
    return schema_of(x={"x-gatehouse": {"claim": name}})


def attribute(**schema):
    return schema_of(x=schema)


@pytest.mark.stores
def test_schema_is_read_and_replaced_with_its_version(app, admin):
    before = admin.get(PATH)
    schema = schema_of(**PROPERTIES)
    version = {"If-Match": before.headers["ETag"]}
    after = admin.put(PATH, {"schema": schema}, headers=version)
    stale = admin.put(PATH, {"schema": schema_of()}, headers=version)

    assert before.json == {
        "version": 0,
        "schema": {"type": "object", "properties": {}},
        "changed_at": None,
    }
    assert (after.status_code, after.json["version"], after.json["schema"]) == (200, 1, schema)
    assert after.headers["ETag"] == admin.get(PATH).headers["ETag"] != before.headers["ETag"]
    assert stale.status_code == 412
    [event] = audited(app, "profile_schema.changed")
    assert event.details == {"version": 1, "attributes": sorted(PROPERTIES)}


def test_schema_is_changed_with_its_permission_only(sign_in_as, client, make_user):
    user = client.as_(client.log_in(make_user(email="ada@example.com")))
    support = sign_in_as("support", email="helen@example.com")

    assert user.get(PATH).status_code == user.put(PATH, {"schema": schema_of()}).status_code == 403
    auditor = sign_in_as("auditor", email="ivy@example.com")
    assert support.get(PATH).status_code == 403
    assert auditor.get(PATH).status_code == 200
    assert auditor.put(PATH, {"schema": schema_of()}).status_code == 403


REJECTED = [
    ({"type": "array"}, "schema.type"),
    ({"type": "object"}, "schema.properties"),
    (schema_of() | {"required": ["x"]}, "schema.required"),
    (schema_of() | {"allOf": []}, "schema.allOf"),
    (schema_of() | {"$id": "http://evil.example/"}, "schema.$id"),
    (schema_of() | {"$schema": "http://json-schema.org/draft-07/schema#"}, "schema.$schema"),
    (schema_of(**{"Bad Name": {}}), "schema.properties.Bad Name"),
    (schema_of(**{f"a{n}": {} for n in range(51)}), "schema.properties"),
    (attribute(type="strin"), "schema.properties.x.type"),
    (attribute(maxLenght=3), "schema.properties.x.maxLenght"),
    (attribute(format="made-up"), "schema.properties.x.format"),
    (attribute(pattern="("), "schema.properties.x.pattern"),
    (attribute(pattern="(?=a)b"), "schema.properties.x.pattern"),
    (attribute(pattern=r"(a)\1"), "schema.properties.x.pattern"),
    (attribute(pattern="(x{1,1000}){1,1000}"), "schema.properties.x.pattern"),
    (attribute(**{"$ref": "http://169.254.169.254/schema"}), "schema.properties.x.$ref"),
    (attribute(**{"$ref": "file:///etc/passwd"}), "schema.properties.x.$ref"),
    (attribute(**{"$ref": "#/$defs/none"}), "schema.properties.x.$ref"),
    (attribute(**{"$ref": "#"}), "schema.properties.x.$ref"),
    (attribute(items={"$id": "http://evil.example/"}), "schema.properties.x.items.$id"),
    (attribute(**{"$dynamicRef": "#x"}), "schema.properties.x.$dynamicRef"),
    (
        schema_of() | {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}},
        "schema.$defs.a.items.$ref",
    ),
    (schema_of() | {"$defs": {**BOMB, "a30": {}}}, "schema.$defs.a23"),
    (schema_of() | {"$defs": {**CHAIN, "a30": {}}}, "schema.$defs.a14"),
    (schema_of() | {"$defs": {**LONG_CHAIN, "a800": {}}}, "schema.$defs.a64"),
    (attribute(description="x" * 40_000), "schema"),
    (attribute(title="\ud800"), "schema"),
    (attribute(properties={"\udfff": {}}), "schema"),
    (schema_of(x={"x-gatehouse": {"read": ["everyone"]}}), "schema.properties.x.x-gatehouse.read"),
    (schema_of(x={"x-gatehouse": {"write": "user"}}), "schema.properties.x.x-gatehouse.write"),
    (schema_of(x={"x-gatehouse": {"hidden": True}}), "schema.properties.x.x-gatehouse"),
    (schema_of(x={"x-gatehouse": []}), "schema.properties.x.x-gatehouse"),
    (
        schema_of(x={"x-gatehouse": {"claim": "team"}}, y={"x-gatehouse": {"claim": "team"}}),
        "schema.properties",
    ),
]


def test_schema_that_is_unsafe_or_unclear_is_rejected_with_its_place(app, admin):
    for schema, path in REJECTED:
        response = admin.put(PATH, {"schema": schema})
        assert response.status_code == 422, path
        assert list(response.json["errors"]) == [path]
    assert rows(app, ProfileSchema)[0].version == 0


@pytest.mark.stores
def test_schema_whose_claims_are_too_large_for_a_user_is_not_applied(app, admin, client, make_user):
    """A browser would drop the cookie of such a token: the user could not sign in any more."""
    user = make_user(email="ada@example.com")
    user_id = client.log_in(user)["user"]["id"]
    assert admin.put(PATH, {"schema": attribute(type="string")}).status_code == 200
    with app.app_context():
        db.session.execute(
            sa.update(Account)
            .where(Account.id == UUID(user_id))
            .values(attributes={"x": "x" * 500})
        )
        db.session.commit()

    response = admin.put(PATH, {"schema": claim("team")})

    assert (response.status_code, response.json["code"]) == (409, "attributes_do_not_fit")
    [[error]] = response.json["errors"].values()
    assert list(response.json["errors"]) == [f"{user_id}.attributes"]
    assert error["code"] == "claims_too_large"


def test_stored_schema_that_another_version_accepted_stops_no_login(app, client, make_user):
    """The name of a claim can get a meaning, and replicas of a newer version know more keywords."""
    free = {"x-gatehouse": FREE}
    stored = schema_of(
        nickname=free, team={"x-gatehouse": FREE | {"claim": "sub"}}, title={"newKeyword": 1} | free
    )
    user = make_user()
    with app.app_context():
        db.session.execute(sa.update(ProfileSchema).values(version=7, definition=stored))
        attributes = {"nickname": "Ann", "team": "red", "title": "Dr"}
        db.session.execute(sa.update(Account).values(attributes=attributes))
        db.session.commit()

    ada = client.as_(client.log_in(user))
    changed = ada.patch("/auth/me", {"attributes": {"nickname": "Annie"}})

    assert ada.get("/auth/me").json["attributes"] == {"nickname": "Annie"}
    assert changed.status_code == 200
    [row] = rows(app, Account)
    assert row.attributes == attributes | {"nickname": "Annie"}


def test_schema_gives_what_it_does_not_say_to_administrators_only():
    [one] = profile_schema.parse(schema_of(x={"type": "string"})).attributes.values()

    assert one.readers == one.writers == {"administrator"}
    assert one.claim is None


def test_schema_with_a_catastrophic_pattern_takes_no_time():
    """ReDoS: `(a+)+$` takes a backtracking engine longer than the universe for 60 characters."""
    schema = profile_schema.parse(schema_of(x={"pattern": "^(a+)+$"}, y={"pattern": "(a|aa)*b"}))
    value = "a" * 4000 + "!"
    start = time.process_time()

    errors = schema.find_errors({"x": value, "y": value})

    assert set(errors) == {"attributes.x", "attributes.y"}
    assert time.process_time() - start < 10


def test_claims_that_have_a_meaning_are_rejected_as_names():
    ours = (
        "iss sub aud exp iat nbf jti sid roles scope acr amr act auth_time client_id versions"
        " status type fresh csrf email email_verified name locale cnf nonce may_act groups"
    )
    for name in (*ours.split(), "", "a b", "é", "x" * 101, 3):
        with pytest.raises(ValidationFailed) as caught:
            profile_schema.parse(claim(name))
        [error] = caught.value.errors["schema.properties.x.x-gatehouse.claim"]
        assert error["code"] == "reserved_claim"
    for name in ("department", "https://example.com/department", "urn:example:team"):
        assert profile_schema.parse(claim(name)).has_claims


# Users who do not fit


@pytest.mark.stores
def test_schema_that_rejects_the_attributes_of_a_user_is_not_applied(app, admin, client, make_user):
    admin.put(PATH, {"schema": schema_of(x={"type": "string", "x-gatehouse": FREE})})
    ada = client.as_(client.log_in(make_user(email="ada@example.com")))
    ada.patch("/auth/me", {"attributes": {"x": "a secret"}})
    [user] = rows(app, Account, email_canonical="ada@example.com")

    refused = [
        admin.put(PATH, {"schema": schema})
        for schema in (schema_of(x={"maxLength": 3}), schema_of())
    ]

    for response in refused:
        assert (response.status_code, response.json["code"]) == (409, "attributes_do_not_fit")
        assert list(response.json["errors"]) == [f"{user.id}.attributes.x"]
        assert "secret" not in response.text
    assert admin.get(PATH).json["version"] == 1
    ada.patch("/auth/me", {"attributes": {"x": None}})
    assert admin.put(PATH, {"schema": schema_of()}).status_code == 200


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_schema_applied_while_users_write_leaves_no_user_with_what_it_rejects(
    app, admin, client, make_user
):
    loose = schema_of(x={"type": "string", "x-gatehouse": FREE})
    strict = schema_of(x={"type": "string", "maxLength": 3, "x-gatehouse": FREE})
    admin.put(PATH, {"schema": loose})
    users = [make_user(email=f"u{number}@example.com") for number in range(20)]
    clients = [client.as_(client.log_in(user)) for user in users]

    for value in ("long enough", "longer still"):
        writes = [partial(one.patch, "/auth/me", {"attributes": {"x": value}}) for one in clients]
        apply = partial(admin.put, PATH, {"schema": strict})
        [*written, applied] = run_in_parallel(*writes, apply)

        accepted = [response for response in written if response.status_code == 200]
        kept = [user.attributes for user in rows(app, Account) if user.attributes]
        assert {response.status_code for response in written} <= {200, 422}
        assert applied.status_code in (200, 409)
        assert len(kept) == len(accepted)
        if applied.status_code == 200:
            assert all(len(one["x"]) <= 3 for one in kept)
        else:
            assert kept
        admin.put(PATH, {"schema": loose})
        for one in clients:
            one.patch("/auth/me", {"attributes": {"x": None}})


def test_schema_with_claims_leaves_space_for_them_in_the_largest_token(app, admin, make_user):
    names = [f"orders:{'x' * 50}{number:02}" for number in range(50)]
    for name in names:
        admin.post("/admin/permissions", {"name": name, "description": "x"})
    assert admin.post("/admin/roles", {"name": "large", "description": "x"}).status_code == 201
    make_user(email="ada@example.com", roles=["large"])

    def grant(count):
        return admin.patch("/admin/roles/large", {"permissions": names[:count]})

    largest = next(count for count in range(50, 0, -1) if grant(count).status_code == 200)
    too_large = admin.put(PATH, {"schema": claim("department")})
    grant(largest - 10)
    fits = admin.put(PATH, {"schema": claim("department")})
    again = grant(largest)

    assert (too_large.status_code, too_large.json["code"]) == (422, "too_many_permissions")
    assert fits.status_code == 200
    assert (again.status_code, again.json["code"]) == (422, "too_many_permissions")
