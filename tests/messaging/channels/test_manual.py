"""The examples of the manuals of mail and SMS are what they say they are."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import trustme

from config import ROOT
from gatehouse.messaging import routing, sms_gateway
from gatehouse.messaging.channels.sms_http import SmsHttp
from gatehouse.messaging.message import DeliveryFailed
from gatehouse.messaging.sms_gateway import Caller
from gatehouse.net.http_client import Answer
from tests.config.conftest import read

MANUAL = (ROOT / "docs/mail-and-sms.md").read_text()
PIGEON = (ROOT / "docs/adding-a-channel.md").read_text()


def examples(manual: str, language: str) -> list[str]:
    """Return the examples in a language."""
    return re.findall(f"```{language}\n(.*?)```", manual, re.DOTALL)


def variables(example: str, folder: Path) -> dict[str, str]:
    """Return the variables of an example; the files that they name are there."""
    found = dict(word.split("=", 1) for word in shlex.split(example, comments=True))
    for name in [name for name in found if name.endswith("_FILE")]:
        is_authority = name == "GATEHOUSE_OUTBOUND_CA_FILE"
        text = trustme.CA().cert_pem.bytes().decode() if is_authority else "first,second"
        found[name] = str(folder / name)
        (folder / name).write_text(text)
    return found


@pytest.mark.parametrize("example", examples(MANUAL, "sh"), ids=lambda text: text.split("\n")[0])
def test_every_example_of_settings_opens_its_channels(tmp_path, example):
    settings = read(**variables(example, tmp_path))

    mails = list(routing.open_all("email", settings.mail_channels, settings))
    texts = list(routing.open_all("sms", settings.sms_channels, settings))

    assert len(mails) == max(len(settings.smtp_url), settings.development)
    assert len(texts) == max(len(settings.sms_gateway), settings.development)


@pytest.mark.parametrize(
    ("status", "answer", "outcome"),
    [
        (202, {"state": "queued"}, "accepted"),
        (200, {"state": "lost"}, "temporary"),
        (400, {"error": {"code": 17}}, "final"),
        (400, {"error": {"code": "no_money"}}, "temporary"),
    ],
)
def test_the_example_of_a_gateway_means_what_its_comments_say(tmp_path, status, answer, outcome):
    [example] = examples(MANUAL, "toml")
    (tmp_path / "house.toml").write_text(example)
    channel = SmsHttp(sms_gateway.load(str(tmp_path / "house.toml"), Caller("", "s", "Us")))

    try:
        channel._judge(Answer(status, {}, json.dumps(answer).encode()))
        found = "accepted"
    except DeliveryFailed as problem:
        found = "final" if problem.permanent else "temporary"

    assert found == outcome


def test_the_example_of_a_channel_is_one():
    [example] = examples(PIGEON, "python")
    module: dict[str, object] = {}

    exec(compile(example, "pigeon.py", "exec"), module)

    piece = module["piece"]
    [channel] = piece.open(read())
    assert piece.carries == ("email", "sms")
    assert channel.name == "pigeon north"
