"""Texts go to a recording server that speaks as the three gateways do, errors included."""

from __future__ import annotations

import json
import re
import tomllib
from base64 import b64encode
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug import Response

from config import ConfigurationError, Settings
from gatehouse.core import crypto
from gatehouse.messaging import routing, sms_gateway
from gatehouse.messaging.channels.sms_http import SmsHttp
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.messaging.sms_gateway import Caller
from gatehouse.settings.parsers import destinations
from tests.conftest import environment
from tests.loopback import always, http, serving

ANYWHERE = re.compile(".*")
NUMBER = "+4915112345678"
CALLER = Caller("AC12", "s3cret, & {text}", "+4930123456")
TEXT = 'Your code: 123456 & {secret}"}\r\nTo=+99\n\u4f60\u597d %7Bto%7D \\'
TWILIO = {"code": 0, "message": "told", "more_info": "https://www.twilio.com", "status": 400}
ACCEPTED = {
    "twilio": (201, {"sid": "SM1", "status": "queued", "error_code": None}),
    "vonage": (200, {"message-count": "1", "messages": [{"status": "0", "message-id": "0A"}]}),
    "messagebird": (201, {"id": "e8077d803532c0b5937c639b60216938", "recipients": {"items": []}}),
}


def twilio(status, code):
    return ("twilio", status, TWILIO | {"code": code, "status": status}, str(code))


def vonage(status):
    messages = [{"status": status, "error-text": "told"}]
    return ("vonage", 200, {"message-count": "1", "messages": messages}, status)


def messagebird(status, code, parameter=None):
    errors = [{"code": code, "description": "told", "parameter": parameter}]
    return ("messagebird", status, {"errors": errors}, str(code))


@pytest.fixture
def message():
    return Message(crypto.new_id(), NUMBER, "", TEXT, "", channel="sms")


@pytest.fixture
def allowed(app, httpserver):
    """Be inside of an application that may call the recording server."""
    settings = app.extensions["gatehouse.settings"]
    allowed = destinations("127.0.0.1,localhost")
    app.extensions["gatehouse.settings"] = replace(settings, outbound_allowed=allowed)
    with app.app_context():
        yield


@pytest.fixture
def preset(allowed, httpserver, tmp_path):
    """Open a preset as it is shipped, but for the host that it calls."""

    def open_preset(name):
        shipped = (sms_gateway.FOLDER / f"{name}.toml").read_text()
        host = urlsplit(tomllib.loads(shipped)["url"]).netloc
        file = tmp_path / f"{name}.toml"
        file.write_text(shipped.replace(f"https://{host}", httpserver.url_for("")))
        return SmsHttp(sms_gateway.load(str(file), CALLER))

    return open_preset


def described(folder, more, url="https://sms.example.com/send"):
    """Write a description and load it."""
    (folder / "house.toml").write_text(f'url = "{url}"\n{more}\n[[accepted]]\nstatus = [200]\n')
    return sms_gateway.load(str(folder / "house.toml"), CALLER)


def failure(channel, message):
    with pytest.raises(DeliveryFailed) as failed:
        channel.send(message)
    return failed.value


@pytest.fixture
def said(httpserver):
    """Let the server answer, and return what it was asked."""

    def said(status, body, headers=None):
        def handle(request):
            request.get_data()
            requests.append(request)
            return Response(json.dumps(body), status, headers, mimetype="application/json")

        requests = []
        httpserver.expect_request(ANYWHERE).respond_with_handler(handle)
        return requests

    return said


# What is asked


def test_twilio_is_asked_as_it_describes(preset, said, message):
    requests = said(*ACCEPTED["twilio"])

    preset("twilio").send(message)

    [asked] = requests
    pair = b64encode(b"AC12:s3cret, & {text}").decode()
    assert (asked.method, asked.path) == ("POST", "/2010-04-01/Accounts/AC12/Messages.json")
    assert asked.headers["Authorization"] == f"Basic {pair}"
    assert parse_qs(asked.get_data(as_text=True)) == {
        "To": [NUMBER],
        "From": ["+4930123456"],
        "Body": [TEXT.strip()],
    }


def test_vonage_is_asked_as_it_describes(preset, said, message):
    requests = said(*ACCEPTED["vonage"])

    preset("vonage").send(message)

    [asked] = requests
    assert (asked.method, asked.path) == ("POST", "/sms/json")
    assert parse_qs(asked.get_data(as_text=True)) == {
        "api_key": ["AC12"],
        "api_secret": ["s3cret, & {text}"],
        "to": ["4915112345678"],
        "from": ["+4930123456"],
        "text": [TEXT.strip()],
        "type": ["unicode"],
        "client-ref": [str(message.id)],
    }


def test_messagebird_is_asked_as_it_describes(preset, said, message):
    requests = said(*ACCEPTED["messagebird"])

    preset("messagebird").send(message)

    [asked] = requests
    assert (asked.method, asked.path) == ("POST", "/messages")
    assert asked.headers["Authorization"] == "AccessKey s3cret, & {text}"
    assert asked.headers["Content-Type"] == "application/json"
    assert json.loads(asked.get_data()) == {
        "originator": "+4930123456",
        "recipients": ["4915112345678"],
        "body": TEXT.strip(),
        "datacoding": "auto",
        "reference": str(message.id),
    }


@pytest.mark.requirement("AP-10")
@pytest.mark.parametrize(
    "number", [f"{NUMBER}\r\nX: y", f"{NUMBER}\0", f"{NUMBER},+99", "+49 151", "ada", "", "+" * 9]
)
def test_a_text_goes_to_one_number_or_to_nobody(preset, said, message, number):
    requests = said(*ACCEPTED["twilio"])

    problem = failure(preset("twilio"), replace(message, recipient=number))

    assert problem.permanent
    assert requests == []


@pytest.mark.requirement("AP-10")
def test_a_text_in_an_address_stays_one_parameter(allowed, said, httpserver, message, tmp_path):
    requests = said(200, {})
    url = httpserver.url_for("/send") + "?to={to}&text={text}"

    SmsHttp(described(tmp_path, 'method = "GET"', url)).send(message)

    [asked] = requests
    assert asked.method == "GET"
    assert asked.args.to_dict(flat=False) == {"to": [NUMBER], "text": [TEXT.strip()]}


# What is answered


@pytest.mark.parametrize(
    ("name", "status", "body", "code"),
    [
        *(twilio(400, code) for code in (21211, 21408, 21610, 21614)),
        *(vonage(status) for status in ("6", "7", "33")),
        messagebird(422, 9, "recipients"),
        messagebird(422, 10, "recipients"),
    ],
)
def test_a_number_that_gets_no_texts_is_final(preset, said, message, name, status, body, code):
    said(status, body)

    problem = failure(preset(name), message)

    assert problem.permanent
    assert code in str(problem)


@pytest.mark.parametrize(
    ("name", "status", "body", "code"),
    [
        twilio(429, 20429),
        twilio(401, 20003),
        twilio(400, 21606),  # not our number to send from
        twilio(500, 20500),
        *(vonage(status) for status in ("1", "2", "4", "5", "9", "15")),
        messagebird(401, 2, "access_key"),
        messagebird(422, 9, "originator"),
        messagebird(422, 25),
        messagebird(500, 99),
    ],
)
def test_all_else_is_temporary_and_names_the_code(preset, said, message, name, status, body, code):
    said(status, body)

    problem = failure(preset(name), message)

    assert not problem.permanent
    assert code in str(problem)
    assert "told" not in str(problem)  # what they say may quote the text


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("17", 17),
        ("999999", 3600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
        ("", None),
    ],
)
def test_a_gateway_may_say_when_to_come_back(preset, said, message, told, seconds):
    said(429, TWILIO | {"code": 20429}, {"Retry-After": told})

    assert failure(preset("twilio"), message).retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("200 OK", b""),
        ("200 OK", b"<html>"),
        ("200 OK", b"[" * 60_000),
        ("200 OK", b'{"messages": "0"}'),
        ("200 OK", b'{"messages": [{"status": 7.5}]}'),
        ("200 OK", b"\xff\xfe"),
        ("200 OK", b" " * 70_000),
        ("302 Found", b""),
        ("503 Busy", b'{"messages": [{"status": "0"}]}'),
    ],
)
@pytest.mark.parametrize("name", ["twilio", "vonage", "messagebird"])
def test_garbage_is_no_success(allowed, message, tmp_path, name, status, body):
    shipped = (sms_gateway.FOLDER / f"{name}.toml").read_text()
    host = urlsplit(tomllib.loads(shipped)["url"]).netloc
    with serving(always(http(body, status, Location="https://example.com"))) as server:
        file = tmp_path / f"{name}.toml"
        file.write_text(shipped.replace(f"https://{host}", f"http://127.0.0.1:{server.port}"))
        problem = failure(SmsHttp(sms_gateway.load(str(file), CALLER)), message)

    assert not problem.permanent


def test_a_gateway_that_is_not_public_is_not_called_unless_somebody_says_so(app, message, tmp_path):
    with serving(always(http(b""))) as server, app.app_context():
        form = '[form]\nto = "{to}"\ntext = "{text}"'
        gateway = described(tmp_path, form, f"http://127.0.0.1:{server.port}/")
        problem = failure(SmsHttp(gateway), message)

    assert (problem.permanent, server.connections) == (False, 0)


# Descriptions


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('[form]\nto = "{to}"', "{text} appears nowhere"),
        ('[form]\ntext = "{text}"', "neither {to} nor {digits} appears"),
        ('[form]\ntext = "{text} {to} {number}"', "could stand for {number}"),
        ('[headers]\nX = "{text}"\n[form]\nto = "{to}"', "{text} cannot stand in a header"),
        ('[form]\na = "{to}{text}"\n[json]\nb = "1"', "both a form and a json"),
        ('[basic]\nuser = "x"\n[form]\na = "{to}{text}"', "basic needs a user and a password"),
        ('urls = "x"\n[form]\na = "{to}{text}"', "urls is none of accepted, basic"),
        ("[form\n", "is not described right"),
        ('[form]\na = "{to}{text}"\n[[refused]]\ncode = 4', "is not described right"),
    ],
)
def test_a_description_that_cannot_work_is_refused_with_a_sentence(tmp_path, more, sentence):
    with pytest.raises(ValueError) as refused:
        described(tmp_path, more)

    assert sentence in str(refused.value)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("url", ["", "sms.example.com", "ftp://sms.example.com"])
def test_a_gateway_without_an_address_is_refused(tmp_path, url):
    with pytest.raises(ValueError, match="needs a url"):
        described(tmp_path, '[form]\na = "{to}{text}"', url)


@pytest.mark.parametrize("name", sms_gateway.presets())
def test_every_preset_goes_by_https_and_is_described_in_the_manual(name):
    gateway = sms_gateway.load(name, CALLER)

    manual = (sms_gateway.FOLDER.parents[2] / "docs/mail-and-sms.md").read_text()
    assert gateway.description["url"].startswith("https://")
    assert f"GATEHOUSE_SMS_GATEWAY={name}\n" in manual


# Settings


def started(**more):
    """Return the channels of texts that settings give, or the sentence with which they do not."""
    settings = Settings.from_environment(environment("sqlite:///x") | more)
    return [c.gateway for c in routing.open_all("sms", settings.sms_channels, settings)]


def test_several_gateways_have_several_callers():
    first, second = started(
        GATEHOUSE_SMS_GATEWAY="twilio, vonage",
        GATEHOUSE_SMS_ACCOUNT="AC12, key",
        GATEHOUSE_SMS_SECRET="one, two",
        GATEHOUSE_SMS_FROM="+4930123456",
    )

    assert (first.name, first.caller) == ("twilio", Caller("AC12", "one", "+4930123456"))
    assert (second.name, second.caller) == ("vonage", Caller("key", "two", "+4930123456"))


def test_the_secret_of_one_gateway_may_hold_commas():
    more = {"GATEHOUSE_SMS_SECRET": "a,b", "GATEHOUSE_SMS_FROM": "Example"}

    [gateway] = started(GATEHOUSE_SMS_GATEWAY="messagebird", **more)

    assert gateway.caller.secret == "a,b"
    assert "a,b" not in repr(gateway)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"GATEHOUSE_SMS_GATEWAY": "twillio"}, "there are messagebird, twilio, vonage"),
        ({"GATEHOUSE_SMS_GATEWAY": "/nowhere/x.toml"}, "/nowhere/x.toml is no readable file"),
        ({"GATEHOUSE_SMS_GATEWAY": "twilio"}, "it needs GATEHOUSE_SMS_ACCOUNT"),
        ({"GATEHOUSE_SMS_CHANNELS": "sms_http"}, "needs GATEHOUSE_SMS_GATEWAY"),
    ],
)
def test_a_gateway_that_is_not_complete_stops_the_start(more, sentence):
    with pytest.raises((ConfigurationError, ValueError), match=sentence):
        started(**more)
