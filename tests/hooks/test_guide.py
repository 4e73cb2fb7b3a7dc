"""The example of docs/hooks.md works as it is written, and its receiver decides as it says."""

from __future__ import annotations

import importlib.util
import re
import shlex
from io import BytesIO
from pathlib import Path

import pytest

from tests.hooks.receiver import is_signed

DOCS = Path(__file__).parents[2] / "docs"
GUIDE, EXAMPLE = DOCS / "hooks.md", DOCS / "examples/hooks/receiver.py"


@pytest.fixture
def example():
    """The module of the example."""
    spec = importlib.util.spec_from_file_location("hook_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_commands():
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    lines = "".join(blocks).splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith("$ gatehouse ")]


def test_guide_shows_what_the_example_decides():
    [shown] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)

    assert shown in EXAMPLE.read_text()


def test_example_denies_throw_away_addresses(app, client, receiver, example, patience):
    receiver.application = example.application
    for arguments in read_commands():
        url = "https://hooks.example.com/gatehouse"
        words = [receiver.url if word == url else word for word in arguments]
        result = app.test_cli_runner().invoke(args=words)
        assert result.exit_code == 0, result.output
        if secret := re.search(r"whsec_\S+", result.output):
            example.SECRET = secret[0]

    denied = client.register("bob@throwaway.example")
    allowed = client.register("bob@example.com")

    assert (denied.status_code, denied.json["code"]) == (403, "registration_denied")
    assert denied.json["reason"] == "throw_away_address"
    assert denied.json["detail"] == "Please use an e-mail address that you will keep."
    assert allowed.status_code == 202
    assert is_signed(receiver.headers[-1], receiver.bodies[-1], example.SECRET)


def test_example_rejects_what_is_not_signed_by_gatehouse(
    example, client, receiver, create_hook, patience
):
    example.SECRET = create_hook("before_registration")
    client.register("bob@example.com")
    [headers], [body] = receiver.headers, receiver.bodies

    def answer(body, **changes):
        environ = {f"HTTP_{name.upper().replace('-', '_')}": text for name, text in headers.items()}
        environ |= {"CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body), **changes}
        statuses = []
        example.application(environ, lambda status, _headers: statuses.append(status[:3]))
        return statuses[0]

    assert answer(body) == "200"
    assert answer(body.replace(b"bob", b"eve")) == "401"
    assert answer(body, HTTP_WEBHOOK_ID="another") == "401"
    assert answer(body, HTTP_WEBHOOK_TIMESTAMP="1614265330") == "401"
    assert answer(body, HTTP_WEBHOOK_SIGNATURE="") == "401"
