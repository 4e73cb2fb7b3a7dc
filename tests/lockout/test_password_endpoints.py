"""Every door where the password of an account can be guessed goes through one function."""

import ast
from collections.abc import Iterator

import pytest

from tests.client import PASSWORD
from tests.letters import token_of
from tests.password_guessing import ADA, WRONG, statuses
from tests.rows import audited
from tests.test_architecture import FILES, imports, module_name

HASHES = "gatehouse.passwords.service.verify"
THE_ONE_WAY = "gatehouse.users.password_check.verify"
CHALLENGES = {"gatehouse.account.registration._require_password"}
"""Verify the password of a registration, which is no account yet and counts its own guesses."""
SPELLINGS = [ADA, "ADA@Example.COM", "ada", "ADA", "+4915112345678", "+49 151 1234-5678"]


def log_in(client, tokens, password, identifier=ADA):
    return client.post("/auth/login", {"identifier": identifier, "password": password})


def change(client, tokens, password):
    form = {"current_password": password, "password": "another long phrase instead"}
    return client.as_(tokens).post("/auth/password/change", form)


def confirm(client, tokens, password):
    """Prove another spelling of her address by its link, as often as there is one."""
    client.as_(tokens).post("/auth/email/change", {"email": "ADA@example.com"})
    mails = [mail for mail in client.mailbox(to=ADA) if mail["template"] == "email_change"]
    form = {"token": token_of(mails[0]["variables"]["link"]), "password": password}
    return client.post("/auth/email/verify", form)


def prove_again(client, tokens, password):
    return client.as_(tokens).post("/auth/reauthenticate", {"password": password})


def recover(client, tokens, password):
    """Prove with the newest code that a factor was lost; each belongs to the token it came with."""
    token = client.post("/auth/mfa/recovery", {"email": ADA}).json["recovery_token"]
    mails = [mail for mail in client.mailbox(to=ADA) if mail["template"] == "mfa_recovery"]
    code = mails[0]["variables"]["code"]
    form = {"recovery_token": RECOVERIES.setdefault(code, token), "code": code}
    return client.post("/auth/mfa/recovery/verify", form | {"password": password})


RECOVERIES = {}
"""The token of each code: no fourth mail comes within an hour, and the third code stays good."""
DOORS = {
    "gatehouse.login.reauthentication._by_password": prove_again,
    "gatehouse.login.methods.password.prove": log_in,
    "gatehouse.account.password_change.change": change,
    "gatehouse.account.email_change._require_password": confirm,
    "gatehouse.account.mfa_recovery._with_password": recover,
}
"""A new caller of the one way joins here, and is tried with the others."""


def users_of(function: str) -> set[str]:
    """Return every place of ours that names a function, whether to call it or to hand it on."""
    using, name = set(), function.rpartition(".")[2]
    for path in FILES:
        source = path.read_text()
        if name not in source:
            continue
        tree = ast.parse(source)
        meanings = dict(imported(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and meaning(node, meanings) == function:
                using.add(f"{module_name(path)}.{place(tree, node)}")
    return using


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that a file imports, and what they stand for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield alias.asname or alias.name, prefix + alias.name


def meaning(node: ast.Name | ast.Attribute, meanings: dict[str, str]) -> str:
    """Return the full name of what is written `verify` or `passwords.verify`."""
    first, dot, rest = ast.unparse(node).partition(".")
    return meanings.get(first, first) + dot + rest


def place(tree: ast.Module, node: ast.expr) -> str:
    """Return the name of the innermost function around a node."""
    around = [
        function
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and function.lineno <= node.lineno <= (function.end_lineno or 0)
    ]
    return max(around, key=lambda function: function.lineno).name if around else "(no function)"


@pytest.mark.requirement("RL-03")
def test_the_password_of_an_account_is_verified_in_one_place():
    assert users_of(HASHES) == {THE_ONE_WAY, *CHALLENGES}


def test_nothing_reaches_the_hashers_past_the_one_place():
    shelf = ("gatehouse.passwords.hashers", "gatehouse.passwords.service._")
    past = [
        f"{module_name(path)} imports {other}"
        for path in FILES
        for _, other in imports(path)
        if other.startswith(shelf) and not module_name(path).startswith("gatehouse.passwords")
    ]

    assert past == []


@pytest.mark.requirement("RL-03")
def test_every_door_is_tried():
    assert users_of(THE_ONE_WAY) == set(DOORS)


@pytest.fixture
def tokens(client, make_user):
    about = {"username": "ada", "phone": "+4915112345678", "factors": ["totp"]}
    return client.renew(make_user(email=ADA, **about).tokens)  # which has risen with the app


@pytest.mark.stores
@pytest.mark.requirement("RL-03")
def test_guesses_at_all_doors_spend_one_budget(client, tokens):
    doors = [door for door in DOORS.values() for _ in range(5)]

    judged = [door(client, tokens, WRONG).status_code for door in doors]

    assert judged == [401] * 5 + [429] * (len(judged) - 5)
    shut = {name: door(client, tokens, PASSWORD).status_code for name, door in DOORS.items()}
    assert shut == dict.fromkeys(DOORS, 429)


@pytest.mark.requirement("PW-09")
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_five_guesses_at_a_door_shut_all_doors(client, tokens, door):
    assert [door(client, tokens, WRONG).status_code for _ in range(6)] == [401] * 5 + [429]

    shut = [other(client, tokens, PASSWORD) for other in DOORS.values()]
    assert {answer.json["code"] for answer in shut} == {"too_many_attempts"}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_the_right_password_at_a_door_begins_anew(client, tokens, door, guess):
    for _ in range(4):
        door(client, tokens, WRONG)

    assert door(client, tokens, PASSWORD).status_code in (200, 204)

    sender = {"address": "127.0.0.1"}
    assert statuses(guess, 6, ADA, WRONG, **sender) == [401] * 5 + [429]


@pytest.mark.requirement("RL-03")
def test_six_spellings_spend_one_budget(app, client, tokens):
    judged = [log_in(client, tokens, WRONG, spelling).status_code for spelling in SPELLINGS * 3]

    assert judged == [401] * 5 + [429] * 13
    assert len(audited(app, "login.failed")) == 5
