"""Every endpoint that verifies the password of an account uses one function and its lockout."""

import ast
from collections.abc import Iterator

import pytest

from tests.client import PASSWORD
from tests.login_attempts import ADA, WRONG, attempt_times
from tests.mail_links import token_of
from tests.rows import audited
from tests.test_architecture import FILES, imports, module_name

HASH_COMPARISON = "gatehouse.passwords.service.verify_password"
PASSWORD_CHECK = "gatehouse.users.password_check.verify_password"
EVALUATION = "gatehouse.users.password_check.evaluate_password"
"""Compares the password of an attempt that is counted already."""
PENDING_REGISTRATION = "gatehouse.account.activation.require_password"
"""Verifies the password of a pending registration, whose code counts the attempts itself."""
SPELLINGS = [ADA, "ADA@Example.COM", "ada", "ADA", "+4915112345678", "+49 151 1234-5678"]


def log_in(client, tokens, password, identifier=ADA):
    return client.post("/auth/login", {"identifier": identifier, "password": password})


def change_password(client, tokens, password):
    form = {"current_password": password, "password": "another long phrase instead"}
    return client.as_(tokens).post("/auth/password/change", form)


def confirm_email(client, tokens, password):
    """Change the case of the e-mail address, and confirm it with its link and the password."""
    client.as_(tokens).post("/auth/email/change", {"email": "ADA@example.com"})
    mails = [mail for mail in client.mailbox(to=ADA) if mail["template"] == "email_change"]
    form = {"token": token_of(mails[0]["variables"]["link"]), "password": password}
    return client.post("/auth/email/verify", form)


def reauthenticate(client, tokens, password):
    return client.as_(tokens).post("/auth/reauthenticate", {"password": password})


def recover_mfa(client, tokens, password):
    """Verify MFA recovery with the newest code and the token that was returned with it."""
    token = client.post("/auth/mfa/recovery", {"email": ADA}).json["recovery_token"]
    mails = [mail for mail in client.mailbox(to=ADA) if mail["template"] == "mfa_recovery"]
    code = mails[0]["variables"]["code"]
    form = {"recovery_token": RECOVERY_TOKENS.setdefault(code, token), "code": code}
    return client.post("/auth/mfa/recovery/verify", form | {"password": password})


RECOVERY_TOKENS = {}
"""The token of each code: the fourth request within an hour sends no mail, so codes repeat."""
ENDPOINTS = {
    "gatehouse.login.reauthentication._with_password": reauthenticate,
    "gatehouse.login.methods.password.authenticate": log_in,
    "gatehouse.account.password_change.change_password": change_password,
    "gatehouse.account.email_change.require_password": confirm_email,
    "gatehouse.account.mfa_recovery._with_password": recover_mfa,
}
"""A request by the function that calls PASSWORD_CHECK or EVALUATION; add every new caller."""


def find_callers(function: str) -> set[str]:
    """Return every function that names a function, to call it or to pass it on."""
    callers, name = set(), function.rpartition(".")[2]
    for path in FILES:
        source = path.read_text()
        if name not in source:
            continue
        tree = ast.parse(source)
        imported = dict(list_imports(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and full_name(node, imported) == function:
                callers.add(f"{module_name(path)}.{enclosing_function(tree, node)}")
    return callers


def list_imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that a file imports, with their full names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                yield alias.asname or alias.name, prefix + alias.name


def full_name(node: ast.Name | ast.Attribute, imported: dict[str, str]) -> str:
    """Return the full name of `verify_password` or `passwords.verify_password`."""
    first, dot, rest = ast.unparse(node).partition(".")
    return imported.get(first, first) + dot + rest


def enclosing_function(tree: ast.Module, node: ast.expr) -> str:
    """Return the name of the innermost function around a node."""
    enclosing = [
        function
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        and function.lineno <= node.lineno <= (function.end_lineno or 0)
    ]
    return max(enclosing, key=lambda each: each.lineno).name if enclosing else "(none)"


@pytest.mark.requirement("RL-03")
def test_password_of_an_account_is_compared_in_one_function():
    assert find_callers(HASH_COMPARISON) == {EVALUATION, PENDING_REGISTRATION}


def test_hashers_are_imported_by_the_passwords_package_only():
    hashers = ("gatehouse.passwords.hashers", "gatehouse.passwords.service._")
    found = [
        f"{module_name(path)} imports {other}"
        for path in FILES
        for _, other in imports(path)
        if other.startswith(hashers) and not module_name(path).startswith("gatehouse.passwords")
    ]

    assert found == []


@pytest.mark.requirement("RL-03")
def test_endpoints_of_the_password_check_are_all_tested():
    callers = find_callers(PASSWORD_CHECK) | find_callers(EVALUATION)

    assert callers == set(ENDPOINTS)


@pytest.fixture
def tokens(client, make_user):
    fields = {"username": "ada", "phone": "+4915112345678", "factors": ["totp"]}
    return client.renew(make_user(email=ADA, **fields).tokens)


@pytest.mark.stores
@pytest.mark.requirement("RL-03")
def test_password_endpoints_share_one_counter(client, tokens):
    requests = [send for send in ENDPOINTS.values() for _ in range(5)]

    statuses = [send(client, tokens, WRONG).status_code for send in requests]

    assert statuses == [401] * 5 + [429] * (len(statuses) - 5)
    blocked = {name: send(client, tokens, PASSWORD).status_code for name, send in ENDPOINTS.items()}
    assert blocked == dict.fromkeys(ENDPOINTS, 429)


@pytest.mark.requirement("PW-09")
@pytest.mark.parametrize("send", ENDPOINTS.values(), ids=ENDPOINTS)
def test_password_endpoint_blocks_all_endpoints_after_five_failures(client, tokens, send):
    assert [send(client, tokens, WRONG).status_code for _ in range(6)] == [401] * 5 + [429]

    blocked = [other(client, tokens, PASSWORD) for other in ENDPOINTS.values()]
    assert {response.json["code"] for response in blocked} == {"too_many_attempts"}


@pytest.mark.parametrize("send", ENDPOINTS.values(), ids=ENDPOINTS)
def test_password_endpoint_resets_the_counter_after_a_success(client, tokens, send, attempt_login):
    for _ in range(4):
        send(client, tokens, WRONG)

    assert send(client, tokens, PASSWORD).status_code in (200, 204)

    sender = {"ip_address": "127.0.0.1"}
    assert attempt_times(attempt_login, 6, ADA, WRONG, **sender) == [401] * 5 + [429]


@pytest.mark.requirement("RL-03")
def test_spellings_of_an_identifier_share_one_counter(app, client, tokens):
    statuses = [log_in(client, tokens, WRONG, spelling).status_code for spelling in SPELLINGS * 3]

    assert statuses == [401] * 5 + [429] * 13
    assert len(audited(app, "login.failed")) == 5
