"""`gatehouse clients` and `gatehouse resources`: besides what they print as JSON."""

import json

import pytest

from gatehouse.core import crypto
from models import OAuthClient, OAuthClientSecret, OAuthResource
from tests.rows import audited, rows

SECRET, NEXT_SECRET, LAST_SECRET = ("a" * 32, "b" * 32, "c" * 32)
CALLBACK = "https://shop.example.com/callback"
DECLARED = f"""
[resources."https://api.example.com"]
name = "Orders"
[resources."https://api.example.com".scopes]
"orders:read" = "See your orders."

[clients.shop]
kind = "web"
name = "Shop"
redirect_uris = ["{CALLBACK}"]
scopes = ["openid", "orders:read"]
resources = ["https://api.example.com"]
logo_uri = "https://shop.example.com/logo.svg"
secret_env = "SHOP_SECRET"

[clients.app]
kind = "native"
name = "App"
redirect_uris = ["com.example.app:/callback"]
"""


@pytest.fixture
def run(app):
    """Run a command; return its exit code and what it prints."""

    def run(*arguments, text=None):
        result = app.test_cli_runner().invoke(args=[*arguments], input=text)
        return result.exit_code, result.output

    return run


@pytest.fixture
def apply(run, monkeypatch):
    """Apply a file; return the exit code and the output."""
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    return lambda text, *options: run("clients", "apply", "-", *options, text=text)


def stored(app):
    tables = (OAuthClient, OAuthClientSecret, OAuthResource)
    return [[vars(row) | {"_sa_instance_state": 0} for row in rows(app, one)] for one in tables]


@pytest.mark.stores
def test_declared_clients_are_created_once_and_then_unchanged(app, apply):
    first = apply(DECLARED)
    before, events = stored(app), len(audited(app, "client.changed"))
    again = apply(DECLARED)

    assert first[0] == again[0] == 0, first
    for line in ("+ resource https://api.example.com: created", "+ client shop: created"):
        assert line in first[1]
    assert '    redirect_uris: ["https://shop.example.com/callback"]' in first[1]
    assert "secret: created" in first[1]
    assert again[1].splitlines() == [
        "= resource https://api.example.com: unchanged",
        "= client shop: unchanged",
        "    secret: unchanged",
        "= client app: unchanged",
        "Done.",
    ]
    assert SECRET not in first[1] + str(before)
    assert stored(app) == before
    assert len(audited(app, "client.changed")) == events == 0
    assert rows(app, OAuthClientSecret)[0].digest == crypto.digest(SECRET)


def test_declared_client_has_the_defaults_for_what_the_file_leaves_out(app, apply):
    apply(DECLARED)
    shorter = DECLARED.replace('logo_uri = "https://shop.example.com/logo.svg"\n', "")
    shorter = shorter.replace('name = "Shop"', 'name = "Store"')

    code, output = apply(shorter)

    assert code == 0
    assert "~ client shop: changed" in output
    assert '    name: "Shop" -> "Store"' in output
    assert '    logo_uri: "https://shop.example.com/logo.svg" -> null' in output
    assert rows(app, OAuthClient, id="shop")[0].logo_uri is None
    assert [event.details["fields"] for event in audited(app, "client.changed")] == [
        ["logo_uri", "name"]
    ]


def test_declared_clients_stay_as_they_are_in_a_dry_run(app, apply):
    code, output = apply(DECLARED, "--dry-run", "--json")

    found = json.loads(output)
    assert (code, found["dry_run"]) == (0, True)
    assert [(one["kind"], one["id"], one["action"]) for one in found["items"]] == [
        ("resource", "https://api.example.com", "created"),
        ("client", "shop", "created"),
        ("client", "app", "created"),
    ]
    assert found["items"][1]["changes"]["name"] == [None, "Shop"]
    assert stored(app) == [[], [], []]


def test_declared_clients_are_all_checked_before_one_is_changed(app, apply):
    apply(DECLARED)
    before = stored(app)
    wrong = DECLARED.replace(f'["{CALLBACK}"]', '["http://shop.example.com"]')
    wrong = wrong.replace('name = "App"', 'name = "Better app"').replace("native", "spa")
    wrong += '\n[clients.other]\nkind = "web"\nname = "Other"\nredirect_uris = []\n'

    code, output = apply(wrong)

    assert code == 1
    lines = output.splitlines()
    assert lines[0] == "Error: Nothing was changed."
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "clients.shop.redirect_uris",
        "clients.app.kind",
        "clients.other.redirect_uris",
    ]
    assert stored(app) == before


BAD_FILES = {
    "no TOML": ("[clients", "file: This is not valid TOML"),
    "another table": ("[hooks.x]", "hooks: Declare [clients.ID]"),
    "no table": ("clients = 5", "clients: Write a table such as [clients.x]."),
    "no table for one": ("[clients]\nshop = 5", "clients.shop: Write a table such as"),
    "unknown member": (DECLARED + "secret = 'x'", "clients.app.secret: There is no such field."),
    "type": (DECLARED + "enabled = 1", "clients.app.enabled: Send true or false."),
    "id": ('[clients.Shop]\nkind = "web"\nname = "x"', "clients.Shop.client_id: Use lower-case"),
    "audience": ('[resources.api]\nname = "x"', "resources.api.audience: Write an absolute URI"),
    "no variable": (
        DECLARED.replace("SHOP_SECRET", "NO_SUCH"),
        "clients.shop.secret_env: There is no secret where this refers to.",
    ),
    "no file": (DECLARED + 'secret_file = "/no/such"', "clients.app.secret_file: There is no"),
    "both": (
        DECLARED.replace("secret_env", 'secret_file = "x"\nsecret_env'),
        "clients.shop.secret_file: Write secret_env or secret_file.",
    ),
    "secret of a public client": (
        DECLARED + 'secret_env = "SHOP_SECRET"',
        "clients.app: This client does not authenticate with a secret.",
    ),
}


def test_file_that_is_wrong_says_where_and_changes_nothing(app, apply):
    for name, (text, expected) in BAD_FILES.items():
        code, output = apply(text)
        assert (name, code, expected in output) == (name, 1, True), output

    assert stored(app) == [[], [], []]


def test_declared_secret_replaces_the_one_before_with_an_overlap(app, apply, monkeypatch, tmp_path):
    apply(DECLARED)
    for secret in (NEXT_SECRET, LAST_SECRET):
        monkeypatch.setenv("SHOP_SECRET", secret)
        assert apply(DECLARED)[0] == 0

    first, second, third = sorted(rows(app, OAuthClientSecret), key=lambda row: row.created_at)
    assert first.revoked_at is not None
    assert (second.revoked_at, second.expires_at is None) == (None, False)
    assert (third.digest, third.expires_at) == (crypto.digest(LAST_SECRET), None)
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    assert "This secret was used before" in apply(DECLARED)[1]
    monkeypatch.setenv("SHOP_SECRET", "too short")
    assert "clients.shop.secret_env: A secret has 32" in apply(DECLARED)[1]
    path = tmp_path / "secret"
    path.write_text(f"{LAST_SECRET}\n")
    from_file = DECLARED.replace('secret_env = "SHOP_SECRET"', f'secret_file = "{path}"')
    assert "secret: unchanged" in apply(from_file)[1]


def test_client_is_registered_changed_and_deleted(app, run, tmp_path):
    create = ("clients", "create", "shop", "Shop", "web", "--redirect-uri", CALLBACK)
    created = run(*create, "--logo-uri", "https://shop.example.com/logo.svg")
    again = run(*create)
    changed = run("clients", "change", "shop", "--clear", "logo-uri", "--no-require-pkce")
    shown = run("clients", "show", "shop")
    keys = tmp_path / "keys.json"
    keys.write_text("{}")
    wrong = run("clients", "change", "shop", "--jwks", str(keys))
    unknown = run("clients", "change", "shop", "--clear", "name")
    [secret] = rows(app, OAuthClientSecret)
    revoked = run("clients", "revoke-secret", "shop", str(secret.id), "--yes")

    assert created[0] == changed[0] == revoked[0] == 0, (created, changed, revoked)
    assert "  ghs_" in created[1]
    assert again == (1, "Error: There is a client with this id.\n")
    assert "logo" not in shown[1]
    assert "require pkce:    False" in shown[1]
    assert (wrong[0], "jwks" in wrong[1]) == (1, True), wrong
    assert (unknown[0], "name" in unknown[1]) == (1, True), unknown
    assert "shop" in run("clients", "list")[1]
    assert f"{secret.id}" in run("clients", "list-secrets", "shop")[1]
    assert run("clients", "delete", "shop", "--yes")[0] == 0
    assert run("clients", "show", "shop")[0] == 1


def test_resource_is_registered_changed_and_deleted(app, run):
    audience = "https://api.example.com"
    created = run("resources", "create", audience, "Orders", "--scope", "orders:read=See them.")
    wrong = run("resources", "change", audience, "--scope", "orders:read")
    changed = run("resources", "change", audience, "--scope", "orders:write=Change = write.")
    [row] = rows(app, OAuthResource)

    assert created[0] == changed[0] == 0, (created, changed)
    assert (wrong[0], "NAME=SENTENCE" in wrong[1]) == (2, True)
    assert row.scopes == {"orders:write": "Change = write."}
    assert audience in run("resources", "list")[1]
    assert "orders:write" in run("resources", "show", str(row.id))[1]
    assert run("resources", "show", "nothing") == (1, "Error: There is no API nothing.\n")
    assert run("resources", "delete", audience, "--yes")[0] == 0
    assert rows(app, OAuthResource) == []


def test_client_secrets_are_revoked_when_a_backup_is_restored(app, run, tmp_path):
    run("clients", "create", "shop", "Shop", "web", "--redirect-uri", CALLBACK)

    for command in (("backup",), ("restore", "--yes")):
        code, output = run(command[0], f"{tmp_path}/backup", *command[1:])
        assert code == 0, output

    assert rows(app, OAuthClientSecret)[0].revoked_at is not None
