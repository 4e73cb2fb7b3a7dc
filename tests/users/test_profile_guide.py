"""The worked example of docs/profile.md is what happens."""

import json
import re
import shlex
from itertools import pairwise
from pathlib import Path

import jwt

from tests.client import PASSWORD, User

GUIDE = (Path(__file__).parents[2] / "docs/profile.md").read_text()
ANN = User("ann@example.com", PASSWORD)


def read_console():
    """Return the commands of the guide, each with the output that it shows."""
    blocks = "".join(re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL))
    return [one.split("\n", 1) for one in blocks.removeprefix("$ ").split("\n$ ")]


def send(client, words):
    options = list(pairwise(words))
    body = json.loads(dict(options)["-d"])
    return client.send(dict(options)["-X"], words[3].removeprefix("$URL"), json=body)


def test_worked_example_of_the_guide_shows_what_happens(
    app, client, make_user, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    [example] = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    Path("profile.json").write_text(example)
    make_user(email=ANN.email)
    ann = client.as_(client.log_in(ANN))
    commands = read_console()

    for command, shown in commands[:3]:
        result = app.test_cli_runner().invoke(args=shlex.split(command)[1:])
        assert (result.exit_code, result.output.strip()) == (0, shown.strip())
    for command, shown in commands[3:]:
        answer = send(ann, shlex.split(command)).json
        expected = json.loads(shown.replace(", ...}", "}"))
        assert expected.items() <= answer.items()
    token = client.as_("").log_in(ANN)["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["department"] == "sales"
    assert len(commands) == 5
