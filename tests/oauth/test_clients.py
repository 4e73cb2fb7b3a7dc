"""The operators' API of clients and their secrets."""

from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, OctKey, OKPKey
from jwt.utils import to_base64url_uint

from gatehouse.core import clock, credential_format
from gatehouse.core.errors import ValidationFailed
from gatehouse.database.session import db
from gatehouse.oauth import client_definitions, client_keys, client_secrets
from gatehouse.oauth.client_metadata import ClientChange
from gatehouse.web.request_context import NO_REQUEST
from models import OAuthClient, OAuthClientSecret, OAuthGrant
from tests.parallel import run_in_parallel
from tests.rows import audited, rows

CLIENTS = "/admin/clients"
SHOP = f"{CLIENTS}/shop"
CALLBACK = "https://shop.example.com/callback"
WEB = {"client_id": "shop", "kind": "web", "name": "Shop", "redirect_uris": [CALLBACK]}
SPA = WEB | {"kind": "spa"}
NATIVE = WEB | {"kind": "native", "redirect_uris": ["com.example.shop:/callback"]}
SERVICE = {"client_id": "shop", "kind": "service", "name": "Billing"}


@pytest.fixture
def admin(sign_in_as):
    """An administrator who is signed in with a second factor."""
    return sign_in_as("admin", email="root@example.com")


def if_match(response):
    return {"If-Match": response.headers["ETag"]}


def outcome(response):
    return response.status_code, response.json.get("code") if response.data else None


def rejected_fields(response):
    return {
        (field, error["code"])
        for field, errors in response.json.get("errors", {}).items()
        for error in errors
    }


@pytest.mark.stores
def test_client_is_registered_listed_read_changed_and_deleted(app, admin):
    created = admin.post(CLIENTS, WEB)
    admin.post(CLIENTS, SERVICE | {"client_id": "billing"})
    listed = admin.get(f"{CLIENTS}?limit=1").json
    rest = admin.get(f"{CLIENTS}?limit=1&cursor={listed['next_cursor']}").json
    logo = "https://shop.example.com/logo.svg"
    changed = admin.patch(SHOP, {"name": "Store", "logo_uri": logo}, headers=if_match(created))
    cleared = admin.patch(SHOP, {"logo_uri": None})

    assert created.status_code == 201, created.json
    assert [one["client_id"] for one in (*listed["items"], *rest["items"])] == ["billing", "shop"]
    assert (changed.json["name"], changed.json["logo_uri"]) == ("Store", logo)
    assert cleared.json["logo_uri"] is None
    assert outcome(admin.patch(SHOP, {"name": "x"}, headers=if_match(created))) == (
        *(412, "precondition_failed"),
    )
    assert admin.get(SHOP).json == cleared.json
    assert admin.delete(SHOP).status_code == 204
    assert outcome(admin.get(SHOP)) == (404, "not_found")
    changes = [event.details for event in audited(app, "client.changed")]
    assert changes == [
        {"client": "shop", "fields": ["logo_uri", "name"]},
        {"client": "shop", "fields": ["logo_uri"]},
    ]
    for name, count in (("created", 2), ("deleted", 1), ("secret_created", 2)):
        events = audited(app, f"client.{name}")
        assert [event.actor_kind for event in events] == ["user"] * count
        assert events[0].target_kind == "client"


def test_client_has_the_defaults_of_its_kind(admin):
    found = {}
    for form in (WEB, SPA, NATIVE, SERVICE):
        created = admin.post(CLIENTS, form | {"client_id": form["kind"]}).json
        found[form["kind"]] = (
            created["authentication_method"],
            created["grant_types"],
            created["require_pkce"],
            created["client_secret"] is not None,
        )

    code = ["authorization_code", "refresh_token"]
    assert found == {
        "web": ("client_secret_basic", code, True, True),
        "spa": ("none", code, True, False),
        "native": ("none", code, True, False),
        "service": ("client_secret_basic", ["client_credentials"], True, True),
    }


def test_client_has_an_id_of_its_own(admin):
    generated = admin.post(CLIENTS, {k: v for k, v in WEB.items() if k != "client_id"}).json
    admin.post(CLIENTS, WEB)

    assert admin.get(f"{CLIENTS}/{generated['client_id']}").status_code == 200
    assert outcome(admin.post(CLIENTS, WEB)) == (409, "client_exists")
    for client_id in ("gatehouse", str(uuid4()), uuid4().hex):
        answer = admin.post(CLIENTS, WEB | {"client_id": client_id})
        assert rejected_fields(answer) == {("client_id", "reserved")}
    for client_id in ("Shop", "-shop", "a" * 65, "sh op", "shöp"):
        answer = admin.post(CLIENTS, WEB | {"client_id": client_id})
        assert {field for field, _ in rejected_fields(answer)} == {"client_id"}


PUBLIC_EC = ECKey.generate_key("P-256").as_dict(private=False)
BAD_KEYS = {
    "empty": {},
    "no list": {"keys": "x"},
    "no key": {"keys": []},
    "no object": {"keys": ["x"]},
    "private": {"keys": [ECKey.generate_key("P-256").as_dict(private=True)]},
    "symmetric": {"keys": [OctKey.generate_key(256).as_dict(private=True)]},
    "another curve": {"keys": [ECKey.generate_key("P-384").as_dict(private=False)]},
    "another curve's": {"keys": [OKPKey.generate_key("X25519").as_dict(private=False)]},
    "another algorithm": {"keys": [PUBLIC_EC | {"alg": "RS256"}]},
    "for encryption": {"keys": [PUBLIC_EC | {"use": "enc"}]},
    "not on the curve": {"keys": [PUBLIC_EC | {"x": PUBLIC_EC["y"]}]},
    "number": {"keys": [PUBLIC_EC | {"kid": 7}]},
    "two names": {"keys": [PUBLIC_EC | {"kid": "a"}, PUBLIC_EC | {"kid": "a"}]},
    "too many": {"keys": [PUBLIC_EC] * 6},
}


def test_client_keys_are_public_strong_and_reduced_to_what_is_needed(app, admin):
    form = WEB | {"authentication_method": "private_key_jwt"}
    modulus = rsa.generate_private_key(65537, 1024).public_key().public_numbers().n
    weak = {"kty": "RSA", "e": "AQAB", "n": to_base64url_uint(modulus).decode()}

    answers = {name: admin.post(CLIENTS, form | {"jwks": jwks}) for name, jwks in BAD_KEYS.items()}
    answers["weak"] = admin.post(CLIENTS, form | {"jwks": {"keys": [weak]}})
    answers["missing"] = admin.post(CLIENTS, form)
    keys = [PUBLIC_EC | {"x5c": ["\u0000"], "kid": "now"}, OKPKey.generate_key("Ed25519").as_dict()]
    keys[1].pop("d", None)
    created = admin.post(CLIENTS, form | {"jwks": {"keys": keys}})

    fields = {
        name: {field.partition(".")[0] for field, _ in rejected_fields(answer)}
        for name, answer in answers.items()
    }
    assert fields == {name: {"jwks"} for name in answers}
    assert created.status_code == 201, created.json
    assert created.json["jwks"]["keys"][0] == PUBLIC_EC | {"kid": "now"}
    assert created.json["client_secret"] is None


def test_client_keys_are_checked_at_each_registration():
    wrong = {}
    for name, jwks in BAD_KEYS.items():
        with pytest.raises(ValidationFailed) as raised:
            client_keys.parse_keys(jwks)
        wrong[name] = raised.value.errors.keys()

    assert wrong == {name: {"jwks"} for name in BAD_KEYS}


WRONG = [
    ("kind", {"kind": "robot"}, "kind"),
    ("no name", WEB | {"name": ""}, "name"),
    ("no address", {"redirect_uris": []}, "redirect_uris"),
    ("http", {"redirect_uris": ["http://shop.example.com"]}, "redirect_uris"),
    ("script", {"post_logout_redirect_uris": ["javascript:x"]}, "post_logout_redirect_uris"),
    ("no secret for spa", SPA | {"authentication_method": "client_secret_post"},
         "authentication_method"),
    ("web without secret", {"authentication_method": "none"}, "authentication_method"),
    ("no pkce for native", NATIVE | {"require_pkce": False}, "require_pkce"),
    ("no pkce for spa", SPA | {"require_pkce": False}, "require_pkce"),
    ("client credentials for spa", SPA | {"grant_types": ["client_credentials"]},
         "grant_types"),
    ("refresh alone", {"grant_types": ["refresh_token"]}, "grant_types"),
    ("no grant", {"grant_types": []}, "grant_types"),
    ("implicit", {"grant_types": ["implicit"]}, "grant_types"),
    ("password", {"grant_types": ["password"]}, "grant_types"),
    ("no mode", {"response_modes": []}, "response_modes"),
    ("service with code", SERVICE | {"grant_types": ["authorization_code"]}, "grant_types"),
    ("service with address", SERVICE | {"redirect_uris": [CALLBACK]}, "redirect_uris"),
    ("service with users' scopes", SERVICE | {"scopes": ["openid"]}, "scopes"),
    ("service with logout", SERVICE | {"backchannel_logout_uri": CALLBACK},
         "backchannel_logout_uri"),
    ("unknown resource", {"resources": ["https://api.example.com"]}, "resources"),
    ("unknown scope", {"scopes": ["openid", "orders:read"]}, "scopes"),
    ("address scope", {"scopes": ["address"]}, "scopes"),
    ("long access token", {"access_token_lifetime": 901}, "access_token_lifetime"),
    ("short access token", {"access_token_lifetime": 59}, "access_token_lifetime"),
    ("long refresh token", {"refresh_token_lifetime": 1_209_601}, "refresh_token_lifetime"),
    ("long grant", {"grant_lifetime": 366 * 86_400}, "grant_lifetime"),
    ("logo by http", {"logo_uri": "http://shop.example.com/logo.svg"}, "logo_uri"),
    ("logo by script", {"logo_uri": "javascript:alert(1)"}, "logo_uri"),
    ("terms on localhost", {"terms_uri": "http://localhost/terms"}, "terms_uri"),
    ("logout inside", {"backchannel_logout_uri": "https://10.0.0.1"}, "backchannel_logout_uri"),
    ("logout fragment", {"backchannel_logout_uri": f"{CALLBACK}#x"}, "backchannel_logout_uri"),
    ("sector", {"subject_type": "pairwise", "sector": "Not a host"}, "sector"),
    ("sector of an app", NATIVE | {"subject_type": "pairwise"}, "sector"),
    (
        "sector of a loopback address",
        {"subject_type": "pairwise", "redirect_uris": ["http://127.0.0.1/cb"]},
        "sector",
    ),
    ("sectors", {"subject_type": "pairwise", "redirect_uris": [CALLBACK, "https://b.example"]},
         "sector"),
    ("account of a web client", {"service_account_id": str(uuid4())}, "service_account_id"),
    ("unknown account", SERVICE | {"service_account_id": str(uuid4())}, "service_account_id"),
    ("unknown algorithm", {"id_token_algorithm": "none"}, "id_token_algorithm"),
]  # fmt: skip


def test_client_that_is_inconsistent_is_not_registered(app, admin):
    complete = {name: form if "name" in form else WEB | form for name, form, _ in WRONG}
    answers = {name: admin.post(CLIENTS, form) for name, form in complete.items()}

    found = {
        name: {field.partition(".")[0] for field, _ in rejected_fields(answer)}
        for name, answer in answers.items()
    }
    assert found == {name: {field} for name, _, field in WRONG}
    assert rows(app, OAuthClient) == []


def test_client_cannot_be_changed_into_an_inconsistent_one(app, admin):
    admin.post(CLIENTS, WEB)

    for change, field in (
        ({"authentication_method": "none"}, "authentication_method"),
        ({"redirect_uris": []}, "redirect_uris"),
        ({"kind": "spa"}, "kind"),
        ({"client_id": "store"}, "client_id"),
        ({"name": None}, "name"),
    ):
        assert {name for name, _ in rejected_fields(admin.patch(SHOP, change))} == {field}
    assert audited(app, "client.changed") == []


def test_client_with_pairwise_subjects_keeps_its_sector(admin):
    created = admin.post(CLIENTS, WEB | {"subject_type": "pairwise"}).json
    moved = admin.patch(SHOP, {"redirect_uris": ["https://new.example.com/callback"]}).json

    assert created["sector"] == moved["sector"] == "shop.example.com"


def test_client_secret_is_shown_once_and_stored_as_a_digest(app, admin):
    created = admin.post(CLIENTS, WEB).json
    secret = created["client_secret"]

    assert secret.startswith("ghs_")
    assert credential_format.has_valid_checksum(secret, 4 + 43 + 6)
    assert "client_secret" not in admin.get(SHOP).json
    assert secret not in admin.get(f"{SHOP}/secrets").text
    assert secret not in str([vars(row) for row in rows(app, OAuthClientSecret)])
    assert secret not in str([event.details for event in audited(app, "client.secret_created")])


def test_client_has_two_secrets_at_most(app, admin):
    admin.post(CLIENTS, WEB)
    secrets = f"{SHOP}/secrets"

    second = admin.post(secrets, {"expires_at": "2030-01-01T00:00:00Z"})
    third = admin.post(secrets)
    admin.delete(f"{secrets}/{second.json['id']}")
    fourth = admin.post(secrets)

    assert [second.status_code, outcome(third), fourth.status_code] == [
        *(201, (409, "too_many_secrets"), 201)
    ]
    listed = admin.get(secrets).json["items"]
    assert [one["revoked_at"] is not None for one in listed] == [False, True, False]
    assert len(audited(app, "client.secret_revoked")) == 1
    assert outcome(admin.post(secrets, {"expires_at": "2020-01-01T00:00:00Z"})) == (
        *(422, "validation_failed"),
    )
    admin.post(CLIENTS, SPA | {"client_id": "spa"})
    assert outcome(admin.post(f"{CLIENTS}/spa/secrets")) == (409, "client_has_no_secrets")


def test_client_secret_is_rotated_with_an_overlap(app, admin):
    admin.post(CLIENTS, WEB)
    [old] = admin.get(f"{SHOP}/secrets").json["items"]
    path = f"{SHOP}/secrets/{old['id']}"

    created = admin.post(f"{path}/rotate", {"overlap_minutes": 60})
    again = admin.post(f"{path}/rotate")

    assert created.status_code == 201, created.json
    assert created.json["expires_at"] is None
    end = rows(app, OAuthClientSecret)[0].expires_at - clock.now()
    assert timedelta(minutes=59) < end <= timedelta(minutes=60)
    assert outcome(again) == (409, "too_many_secrets")
    admin.delete(path)
    assert outcome(admin.post(f"{path}/rotate")) == (409, "secret_ended")
    assert outcome(admin.delete(f"{CLIENTS}/other/secrets/{old['id']}")) == (404, "not_found")


def test_client_loses_its_secrets_with_the_method_that_uses_them(app, admin):
    admin.post(CLIENTS, WEB)
    change = {"authentication_method": "private_key_jwt", "jwks": {"keys": [PUBLIC_EC]}}

    admin.patch(SHOP, change)

    assert rows(app, OAuthClientSecret)[0].revoked_at is not None


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_client_is_registered_once_in_parallel(app, admin):
    answers = run_in_parallel(*[partial(admin.post, CLIENTS, WEB)] * 20)

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert len(rows(app, OAuthClientSecret)) == 1


@pytest.mark.parametrize("store", ["postgres"], indirect=True)
def test_client_has_two_secrets_at_most_in_parallel(app, admin):
    admin.post(CLIENTS, WEB)

    answers = run_in_parallel(*[partial(admin.post, f"{SHOP}/secrets")] * 20)

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19


def test_client_may_act_as_an_account_with_the_actors_own_permissions_only(
    app, admin, sign_in_as, make_user
):
    owner = admin.get("/admin/users?limit=1").json["items"][0]["id"]
    account = admin.post(
        "/admin/service-accounts",
        {"name": "ops", "description": "x", "owner_id": owner, "roles": [{"role": "support"}]},
    ).json["id"]
    admin.post("/admin/roles", {"name": "apps", "description": "x", "permissions": [
        "clients:read", "clients:manage"]})  # fmt: skip
    clerk = sign_in_as("apps", email="clerk@example.com")
    form = SERVICE | {"service_account_id": account}

    denied = clerk.post(CLIENTS, form)
    own = clerk.post(CLIENTS, SERVICE | {"client_id": "own"})
    created = admin.post(CLIENTS, form)
    later = [
        clerk.post(f"{SHOP}/secrets"),
        clerk.patch(SHOP, {"name": "x"}),
        clerk.delete(SHOP),
        clerk.patch(f"{CLIENTS}/own", {"service_account_id": account}),
    ]

    assert (outcome(denied), own.status_code, created.status_code) == (
        *((403, "forbidden"), 201, 201),
    )
    assert {outcome(answer) for answer in later} == {(403, "forbidden")}
    assert len(audited(app, "authorization.denied")) == 5
    assert rows(app, OAuthClient, id="own")[0].service_account_id is None


def add_grants(app, user_id, count):
    with app.app_context():
        later = clock.now() + timedelta(days=1)
        for number in range(count):
            grant = OAuthGrant(id=uuid4(), client_id="shop", user_id=user_id, sid=uuid4())
            grant.subject, grant.scopes, grant.resources, grant.amr = "x", [], [], []
            grant.acr, grant.request, grant.code_digest = "aal1", {}, f"digest {number}"
            grant.authenticated_at = grant.code_expires_at = later
            grant.idle_at = grant.expires_at = later
            db.session.add(grant)
        db.session.commit()


def ended(app):
    return sum(grant.ended_at is not None for grant in rows(app, OAuthGrant))


@pytest.mark.stores
def test_client_that_is_disabled_or_deleted_loses_its_grants(app, admin, monkeypatch):
    monkeypatch.setattr(client_definitions, "MAX_ENDED_AT_ONCE", 2)
    user_id = admin.get("/admin/users?limit=1").json["items"][0]["id"]
    admin.post(CLIENTS, WEB)
    add_grants(app, UUID(user_id), 5)

    too_many = admin.delete(SHOP)
    untouched = ended(app)
    admin.patch(SHOP, {"enabled": False})
    at_once = ended(app)
    with app.app_context():
        while client_definitions.end_grants_of_disabled_clients():
            db.session.commit()

    assert (outcome(too_many), untouched, at_once) == ((409, "client_has_grants"), 0, 2)
    assert ended(app) == len(audited(app, "grant.ended")) == 5
    assert admin.delete(SHOP).status_code == 204
    assert rows(app, OAuthGrant) == []


def test_client_change_at_the_command_line_needs_no_permission(app, admin):
    admin.post(CLIENTS, WEB)

    with app.app_context():
        change = ClientChange(enabled=False)
        client_definitions.change_client("shop", change, NO_REQUEST)
        client = client_definitions.get_client("shop")
        secret = client_secrets.list_secrets(client)[0]
        client_secrets.revoke_secret(secret, NO_REQUEST)
        db.session.commit()

    assert admin.get(SHOP).json["enabled"] is False
