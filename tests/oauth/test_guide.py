"""docs/applications.md works as it is written."""

import re
import shlex
from pathlib import Path

import pytest

from models import OAuthClient, OAuthClientSecret, OAuthResource
from tests.rows import rows

GUIDE = Path(__file__).parents[2] / "docs" / "applications.md"


def read_blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)


@pytest.fixture
def run(app):
    """Run a command of the guide; return its output."""

    def run(words, text=None):
        result = app.test_cli_runner().invoke(args=words, input=text)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_guide_registers_an_application_an_api_and_a_file(app, run, monkeypatch):
    shown = "".join(read_blocks("console")).splitlines()
    commands = [shlex.split(line)[2:] for line in shown if line.startswith("$ gatehouse ")]
    [declared] = read_blocks("toml")
    monkeypatch.setenv("SHOP_CLIENT_SECRET", "x" * 43)

    outputs = []
    for words in commands:
        is_file = "clients.toml" in words
        words = ["-" if word == "clients.toml" else word for word in words]
        outputs.append(run(words, declared if is_file else None))
    applied = run(["clients", "apply", "-"], declared)

    assert len(commands) == 7
    for output in outputs[:5]:
        assert {line for line in output.splitlines() if "ghs_" not in line} <= set(shown)
    [client], [resource] = rows(app, OAuthClient), rows(app, OAuthResource)
    assert len(rows(app, OAuthClientSecret)) == 3
    assert (client.id, client.consent, client.scopes) == (
        *("shop", "first_party", ["openid", "orders:read"]),
    )
    assert resource.scopes == {"orders:read": "See your orders."}
    assert "= client shop: unchanged" in applied


def test_guide_shows_bodies_that_the_api_accepts(app, sign_in_as):
    admin = sign_in_as("admin", email="root@example.com")
    new, keys = read_blocks("json")
    coordinates = {
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    for name, value in coordinates.items():
        keys = keys.replace(f'"{name}": "..."', f'"{name}": "{value}"')

    created = admin.send("POST", "/admin/clients", data=new, content_type="application/json")
    path = "/admin/clients/shop"
    changed = admin.send("PATCH", path, data=keys, content_type="application/json")

    assert (created.status_code, changed.status_code) == (201, 200), (created.json, changed.json)
    assert created.json["client_secret"].startswith("ghs_")
