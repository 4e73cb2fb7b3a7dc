"""The examples of docs/administration.md work as they are written."""

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

from models import ApiKey
from tests.admin.conftest import USERS
from tests.rows import rows
from tests.tokens.forgery import case

DOCS = Path(__file__).parents[2] / "docs"
ANN = "ann@example.com"


def read_commands(program, guide="administration.md"):
    """Return the arguments of each command of a program in a guide."""
    blocks = re.findall(r"```console\n(.*?)```", (DOCS / guide).read_text(), re.DOTALL)
    lines = [line.removeprefix("$ ") for line in "".join(blocks).splitlines()]
    assert not [line for line in lines for text in re.findall("'[^']*'", line) if "$" in text]
    return [shlex.split(line)[1:] for line in lines if line.startswith(f"{program} ")]


def send(client, arguments, values):
    """Send the request of a curl command, with values for its variables."""
    words = [re.sub(r"\$([A-Z]+)", lambda name: values[name[1]], word) for word in arguments]
    [url] = [word for word in words if word.startswith("/")]
    options = list(pairwise(words))
    headers = dict(value.split(": ", 1) for name, value in options if name == "-H")
    body = [json.loads(value) for name, value in options if name == "-d"]
    method = dict(options).get("-X", "POST" if body else "GET")
    headers.pop("Content-Type", None)
    return client.send(method, url, headers=headers, **({"json": body[0]} if body else {}))


def test_examples_of_the_guide_are_accepted(client, admin, make_user):
    make_user(email=ANN, username="ann")
    [found] = admin.get(USERS, query_string={"q": ANN}).json["items"]
    values = {"URL": "", "TOKEN": admin._bearer, "ID": found["id"]}

    commands = read_commands("curl")
    for arguments in commands:
        with case(arguments=arguments):
            values["ETAG"] = admin.get(f"{USERS}/{found['id']}").headers["ETag"]
            assert send(client, arguments, values).status_code in (200, 201, 204)
    assert len(commands) > 10


def test_commands_of_the_guide_succeed(app, make_user):
    make_user(email=ANN, username="ann")

    commands = read_commands("gatehouse")
    for arguments in commands:
        with case(arguments=arguments):
            assert app.test_cli_runner().invoke(args=arguments).exit_code == 0
    assert len(commands) > 5


def test_commands_of_the_guides_to_roles_and_keys_succeed_one_after_the_other(app, make_user):
    make_user(email=ANN)
    make_user(email="bob@example.com")

    commands = read_commands("gatehouse", "roles.md") + read_commands("gatehouse", "api-keys.md")
    for arguments in commands:
        ids = [str(key.id) for key in rows(app, ApiKey)]
        words = [word.replace("$KEY_ID", ids[0] if ids else "") for word in arguments]
        with case(arguments=words):
            result = app.test_cli_runner().invoke(args=words)
            assert result.exit_code == 0, result.output
    assert len(commands) > 8
