"""The examples in the documentation of e-mail, SMS and channels work."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import trustme

from config import ROOT
from gatehouse.messaging import routing, sms_gateway
from gatehouse.messaging.channels.sms_http import SmsHttpChannel
from gatehouse.messaging.message import DeliveryFailed
from gatehouse.messaging.sms_gateway import Credentials
from gatehouse.net.http_client import HttpResponse
from tests.config.conftest import read_settings

MANUAL = (ROOT / "docs/mail-and-sms.md").read_text()
CHANNEL_GUIDE = (ROOT / "docs/adding-a-channel.md").read_text()


def find_examples(manual: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(f"```{language}\n(.*?)```", manual, re.DOTALL)


def read_variables(example: str, folder: Path) -> dict[str, str]:
    """Return the variables of an example, after creating the files that they name."""
    found = dict(word.split("=", 1) for word in shlex.split(example, comments=True))
    for name in [name for name in found if name.endswith("_FILE")]:
        is_authority = name == "GATEHOUSE_CA_BUNDLE_FILE"
        text = trustme.CA().cert_pem.bytes().decode() if is_authority else "first,second"
        found[name] = str(folder / name)
        (folder / name).write_text(text)
    return found


@pytest.mark.parametrize(
    "example", find_examples(MANUAL, "sh"), ids=lambda text: text.split("\n")[0]
)
def test_manual_examples_of_settings_create_their_channels(tmp_path, example):
    settings = read_settings(**read_variables(example, tmp_path))

    email_channels = list(routing.create_channels("email", settings.mail_channels, settings))
    sms_channels = list(routing.create_channels("sms", settings.sms_channels, settings))

    assert len(email_channels) == max(len(settings.smtp_url), settings.development)
    assert len(sms_channels) == max(len(settings.sms_gateway), settings.development)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (202, {"state": "queued"}, "accepted"),
        (200, {"state": "lost"}, "temporary"),
        (400, {"error": {"code": 17}}, "permanent"),
        (400, {"error": {"code": "no_money"}}, "temporary"),
    ],
)
def test_manual_example_of_a_gateway_maps_responses_as_its_comments_say(
    tmp_path, status, body, outcome
):
    [example] = find_examples(MANUAL, "toml")
    (tmp_path / "gateway.toml").write_text(example)
    channel = SmsHttpChannel(
        sms_gateway.load_gateway(str(tmp_path / "gateway.toml"), Credentials("", "s", "Example"))
    )

    try:
        channel._require_accepted(HttpResponse(status, {}, json.dumps(body).encode()))
        found = "accepted"
    except DeliveryFailed as error:
        found = "permanent" if error.permanent else "temporary"

    assert found == outcome


def test_manual_example_of_a_channel_is_a_plugin():
    [example] = find_examples(CHANNEL_GUIDE, "python")
    module: dict[str, object] = {}

    exec(compile(example, "pigeon.py", "exec"), module)

    plugin = module["plugin"]
    [channel] = plugin.create(read_settings())
    assert plugin.message_types == ("email", "sms")
    assert channel.name == "pigeon north"
