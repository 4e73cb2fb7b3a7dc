"""`--json`: every command on users and their rights prints what the operators' API answers."""

import json
import re

import click
import pytest

from gatehouse.database.session import db
from models import ApiKey, ExternalIdentity, OAuthClientSecret, User
from tests.rows import audited, rows
from tests.tokens.forgery import case

ADA, BOB = "ada@example.com", "bob@example.com"
HOOK_URL = "https://hooks.example.com"
GROUPS = ("users", "profile", "roles", "permissions", "service-accounts", "hooks", "audit")
GROUPS += ("clients", "resources")
AUDIENCE = "https://api.example.com"
CALLBACK = "https://shop.example.com/callback"
READS = {
    "users list": "/admin/users",
    "users list ada --status active": "/admin/users?q=ada&status=active",
    "users show {email}": "/admin/users/{user}",
    "users sessions {email}": "/admin/users/{user}/sessions",
    "users factors {email}": "/admin/users/{user}/factors",
    "users identities {email}": "/admin/users/{user}/identities",
    "users risk {email}": "/admin/users/{user}/risk",
    "profile show": "/admin/profile-schema",
    "roles list": "/admin/roles",
    "roles show clerk": "/admin/roles/clerk",
    "roles assigned {email}": "/admin/users/{user}/roles",
    "permissions list": "/admin/permissions",
    "permissions show orders:read": "/admin/permissions/orders:read",
    "service-accounts list": "/admin/service-accounts",
    "service-accounts show deploy": "/admin/service-accounts/{account}",
    "service-accounts list-keys deploy": "/admin/service-accounts/{account}/keys",
    "hooks list": "/admin/hooks",
    "hooks show crm": "/admin/hooks/{hook}",
    "hooks deliveries crm": "/admin/hooks/{hook}/deliveries",
    "clients list": "/admin/clients",
    "clients show shop": "/admin/clients/shop",
    "clients list-secrets shop": "/admin/clients/shop/secrets",
    "resources list": "/admin/resources",
    f"resources show {AUDIENCE}": "/admin/resources/{resource}",
    "audit list --user {email}": "/admin/users/{user}/audit",
    "audit list --event role": "/admin/audit?name=role",
    "audit list --actor {root}": "/admin/audit?actor_id={root}",
    "audit list --request-id {request}": "/admin/audit?request_id={request}",
}
WRITES = {
    "users create new{n}@example.com": ("POST", "/admin/users", {"email": "new{n}@example.com"}),
    "users update {email} --name Ann": ("PATCH", "/admin/users/{user}", {"name": "Ann"}),
    "users disable {email} --reason x": ("POST", "/admin/users/{user}/disable", {"reason": "x"}),
    "users enable {email}": ("POST", "/admin/users/{user}/enable", {}),
    "users unlock {email}": ("POST", "/admin/users/{user}/unlock", {}),
    "users verify-email {email}": ("POST", "/admin/users/{user}/verify-email", {}),
    "users reset-mfa {email}": ("POST", "/admin/users/{user}/reset-mfa", {}),
    "users reset-password {email} --yes": ("POST", "/admin/users/{user}/reset-password", {}),
    "users bulk enable {email} --yes": (
        *("POST", "/admin/users/bulk"),
        {"operation": "enable", "users": [{"id": "{user}"}]},
    ),
    "users restore {email}": ("POST", "/admin/users/{user}/restore", None),
    "roles create clerk{n} x": (
        *("POST", "/admin/roles"),
        {"name": "clerk{n}", "description": "x"},
    ),
    "roles change clerk --description y": ("PATCH", "/admin/roles/clerk", {"description": "y"}),
    "roles assign {email} clerk": (
        *("PUT", "/admin/users/{user}/roles"),
        {"roles": [{"role": "clerk"}]},
    ),
    "roles unassign {email} clerk": ("PUT", "/admin/users/{user}/roles", {"roles": []}),
    "permissions create a{n}:b x": (
        *("POST", "/admin/permissions"),
        {"name": "a{n}:b", "description": "x"},
    ),
    "permissions change orders:read y": (
        *("PATCH", "/admin/permissions/orders:read"),
        {"description": "y"},
    ),
    "service-accounts create build{n} x --owner {email}": (
        *("POST", "/admin/service-accounts"),
        {"name": "build{n}", "description": "x", "owner_id": "{user}"},
    ),
    "service-accounts change deploy --description y": (
        *("PATCH", "/admin/service-accounts/{account}"),
        {"description": "y"},
    ),
    "service-accounts disable deploy": (
        *("PATCH", "/admin/service-accounts/{account}"),
        {"enabled": False},
    ),
    "service-accounts enable deploy": (
        *("PATCH", "/admin/service-accounts/{account}"),
        {"enabled": True},
    ),
    "service-accounts create-key deploy k{n} --permission users:read": (
        *("POST", "/admin/service-accounts/{account}/keys"),
        {"name": "k{n}", "permissions": ["users:read"]},
    ),
    f"hooks create before_login deny{{n}} {HOOK_URL} --on-failure deny": (
        *("POST", "/admin/hooks"),
        {"kind": "before_login", "name": "deny{n}", "url": HOOK_URL, "on_failure": "deny"},
    ),
    "hooks change crm --disable": ("PATCH", "/admin/hooks/{hook}", {"enabled": False}),
    "hooks replay crm --since 2026-01-01": ("POST", "/admin/hooks/{hook}/replay", {}),
    "hooks rotate-secret crm": ("POST", "/admin/hooks/{hook}/rotate-secret", {}),
    f"clients create shop{{n}} Shop web --redirect-uri {CALLBACK}": (
        *("POST", "/admin/clients"),
        {"client_id": "shop{n}", "kind": "web", "name": "Shop", "redirect_uris": [CALLBACK]},
    ),
    "clients change shop --enable": ("PATCH", "/admin/clients/shop", {"enabled": True}),
    "clients add-secret shop{n}": ("POST", "/admin/clients/shop{n}/secrets", {}),
    "clients rotate-secret shop {secret}": (
        *("POST", "/admin/clients/mail/secrets/{secret}/rotate"),
        {},
    ),
    "resources create https://{n}.example.com Mail --scope x=Reads.": (
        *("POST", "/admin/resources"),
        {"audience": "https://{n}.example.com", "name": "Mail", "scopes": {"x": "Reads."}},
    ),
    f"resources change {AUDIENCE} --name Sales": (
        *("PATCH", "/admin/resources/{resource}"),
        {"name": "Sales"},
    ),
    "service-accounts rotate-key deploy {key}": (
        *("POST", "/admin/service-accounts/{account}/keys/{key}/rotate"),
        {},
    ),
}
WITHOUT_AN_ANSWER = {
    *("users delete", "users end-sessions", "roles delete", "permissions delete"),
    *("service-accounts delete", "service-accounts revoke-key", "hooks delete"),
    *("clients delete", "clients revoke-secret", "resources delete"),
}
"""The API answers these with 204."""
AT_THE_COMMAND_LINE_ONLY = {"users invite", "users extend-mfa-grace", "profile check"}
INTERACTIVE = {"clients try"}
"""They print what happens while they run, and end when they are stopped."""
COMPARED_ELSEWHERE = {"profile apply", "hooks test", "clients apply"}
"""They read a file, or send a request: see test_profile.py, test_hooks.py and test_clients.py."""


@pytest.fixture
def run(app):
    """Run a command; return what it prints as JSON."""

    def run(command):
        result = app.test_cli_runner().invoke(args=[*command.split(" "), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if result.stdout else None

    return run


@pytest.fixture
def names(app, make_user, client, sign_in_as, run):
    """What the commands and paths name: objects of every kind that have all that they can have."""
    user = make_user(email=ADA, factors=["totp"], username="ada")
    client.complete_mfa(user, client.log_in(user))
    admin = sign_in_as("admin", email="root@example.com")
    ids = {one.email: one.id for one in rows(app, User)}
    with app.app_context():
        identity = {"issuer": "https://idp.example.com", "subject": "1", "provider": "example"}
        db.session.add(ExternalIdentity(user_id=ids[ADA], **identity))
        db.session.commit()
    run("permissions create orders:read Reads.")
    run("roles create clerk Reads. --permission orders:read --parent support")
    hook = run(f"hooks create webhook crm {HOOK_URL} --event *")["id"]
    resource = run(f"resources create {AUDIENCE} Orders --scope orders:read=Reads.")["id"]
    for client_id in ("shop", "mail"):
        run(f"clients create {client_id} Shop web --redirect-uri {CALLBACK}")
    run(f"roles assign {ADA} clerk --until 2099-01-01 --reason asked")
    account = run(f"service-accounts create deploy Deploys. --owner {ADA} --role support")["id"]
    run("service-accounts create-key deploy CI --permission users:read --network 192.0.2.0/24")
    path = f"/admin/users/{ids[ADA]}/unlock"
    assert admin.post(path, {"reason": "asked"}).status_code == 200
    [unlocked] = audited(app, "account.unlocked")
    ids = {"user": ids[ADA], "root": ids["root@example.com"], "request": unlocked.request_id}
    return admin, {"email": ADA, "account": account, "hook": hook, "resource": resource, **ids}


def fill(template, names):
    """Return a template, which may contain lists and dictionaries, with the names filled in."""
    if isinstance(template, str):
        return re.sub(r"{(\w+)}", lambda found: str(names[found[1]]), template)
    if isinstance(template, list):
        return [fill(one, names) for one in template]
    if isinstance(template, dict):
        return {name: fill(value, names) for name, value in template.items()}
    return template


def test_json_of_commands_that_read_is_what_the_api_answers(names, run):
    admin, known = names

    for command, path in READS.items():
        with case(command=command):
            answer = admin.get(fill(path, known))
            assert answer.status_code == 200
            assert run(fill(command, known)) == answer.json
            assert answer.json != {"items": [], "next_cursor": None}


def shape(value):
    """Return a value without its contents: the members of objects, also within lists."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(one) for one in value] if isinstance(value, list) else None


def test_json_of_commands_that_write_has_the_members_that_the_api_answers(
    app, names, make_user, run
):
    """The command does it to one object, the request to another one of the same kind."""
    admin, known = names
    make_user(email=BOB, factors=["totp"])
    [bob] = rows(app, User, email=BOB)
    run(f"roles assign {BOB} clerk")
    run("service-accounts create-key deploy other --permission users:read --network ::1")
    first, second = (key.id for key in rows(app, ApiKey))
    secrets = {row.client_id: row.id for row in rows(app, OAuthClientSecret)}
    mine = known | {"n": 1, "key": first, "secret": secrets["shop"]}
    others = known | {"user": bob.id, "n": 2, "key": second, "secret": secrets["mail"]}

    for command, (method, path, form) in WRITES.items():
        with case(command=command):
            if command.startswith("users restore"):
                run(f"users delete {ADA} --yes")
                run(f"users delete {BOB} --yes")
            printed = run(fill(command, mine))
            body, version = fill(form, others), {"If-Match": "*"}
            answer = admin.send(method, fill(path, others), json=body, headers=version)
            assert answer.status_code < 300, answer.json
            assert shape(printed) == shape(answer.json)


def test_json_is_an_option_of_every_command_on_users_and_rights(app):
    commands = {
        f"{group} {name}": command
        for group in GROUPS
        for name, command in app.cli.commands[group].commands.items()
        if f"{group} {name}" not in INTERACTIVE
    }

    without = [
        name
        for name, command in commands.items()
        if not any("--json" in one.opts for one in command.params if isinstance(one, click.Option))
    ]
    compared = {" ".join(command.split(" ")[:2]) for command in (*READS, *WRITES)}

    assert without == []
    assert compared | WITHOUT_AN_ANSWER | AT_THE_COMMAND_LINE_ONLY | COMPARED_ELSEWHERE == set(
        commands
    )
    assert compared & (WITHOUT_AN_ANSWER | AT_THE_COMMAND_LINE_ONLY) == set()


def test_json_of_lists_names_the_next_page(names, run):
    pages = [run("users list --limit 1")]
    while pages[-1]["next_cursor"]:
        pages.append(run(f"users list --limit 1 --cursor {pages[-1]['next_cursor']}"))

    assert [page["items"][0]["email"] for page in pages] == ["root@example.com", ADA]
    assert [page["estimated_total"] for page in pages] == [2, None]
