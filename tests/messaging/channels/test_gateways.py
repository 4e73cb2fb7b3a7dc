"""SMS gateways: requests and responses of the three presets, and descriptions of operators."""

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
from gatehouse.messaging.channels.sms_http import SmsHttpChannel
from gatehouse.messaging.message import DeliveryFailed, Message
from gatehouse.messaging.sms_gateway import Credentials
from gatehouse.settings.parsers import egress_destinations
from tests.conftest import environment
from tests.loopback_server import http_response, loopback_server, respond_with

ANY_PATH = re.compile(".*")
NUMBER = "+4915112345678"
CREDENTIALS = Credentials("AC12", "s3cret, & {text}", "+4930123456")
TEXT = 'Your code: 123456 & {secret}"}\r\nTo=+99\n\u4f60\u597d %7Bto%7D \\'
TWILIO = {"code": 0, "message": "quoted text", "more_info": "https://www.twilio.com", "status": 400}
ACCEPTED = {
    "twilio": (201, {"sid": "SM1", "status": "queued", "error_code": None}),
    "vonage": (200, {"message-count": "1", "messages": [{"status": "0", "message-id": "0A"}]}),
    "messagebird": (201, {"id": "e8077d803532c0b5937c639b60216938", "recipients": {"items": []}}),
}


def twilio_error(status, code):
    return ("twilio", status, TWILIO | {"code": code, "status": status}, str(code))


def vonage_error(status):
    messages = [{"status": status, "error-text": "quoted text"}]
    return ("vonage", 200, {"message-count": "1", "messages": messages}, status)


def messagebird_error(status, code, parameter=None):
    errors = [{"code": code, "description": "quoted text", "parameter": parameter}]
    return ("messagebird", status, {"errors": errors}, str(code))


@pytest.fixture
def message():
    return Message(crypto.new_id(), NUMBER, "", TEXT, "", channel="sms")


@pytest.fixture
def egress_allowed(app, httpserver):
    """Enter the context of an application that may call the test server."""
    settings = app.extensions["gatehouse.settings"]
    allowlist = egress_destinations("127.0.0.1,localhost")
    app.extensions["gatehouse.settings"] = replace(settings, egress_allowlist=allowlist)
    with app.app_context():
        yield


@pytest.fixture
def create_preset(egress_allowed, httpserver, tmp_path):
    """Return a function that creates the channel of a preset, with the host of the test server."""

    def create(name):
        shipped = (sms_gateway.FOLDER / f"{name}.toml").read_text()
        host = urlsplit(tomllib.loads(shipped)["url"]).netloc
        file = tmp_path / f"{name}.toml"
        file.write_text(shipped.replace(f"https://{host}", httpserver.url_for("")))
        return SmsHttpChannel(sms_gateway.load_gateway(str(file), CREDENTIALS))

    return create


def describe_gateway(folder, description, url="https://sms.example.com/send"):
    """Write the file of a gateway and load it."""
    (folder / "gateway.toml").write_text(
        f'url = "{url}"\n{description}\n[[accepted]]\nstatus = [200]\n'
    )
    return sms_gateway.load_gateway(str(folder / "gateway.toml"), CREDENTIALS)


def send_and_fail(channel, message):
    """Send a message and return the failure."""
    with pytest.raises(DeliveryFailed) as failed:
        channel.send(message)
    return failed.value


@pytest.fixture
def serve(httpserver):
    """Return a function that sets the response of the server and returns its list of requests."""

    def serve(status, body, headers=None):
        def handle(request):
            request.get_data()
            requests.append(request)
            return Response(json.dumps(body), status, headers, mimetype="application/json")

        requests = []
        httpserver.clear()
        httpserver.expect_request(ANY_PATH).respond_with_handler(handle)
        return requests

    return serve


# Requests


def test_twilio_request_is_as_its_api_requires(create_preset, serve, message):
    requests = serve(*ACCEPTED["twilio"])

    create_preset("twilio").send(message)

    [request] = requests
    pair = b64encode(b"AC12:s3cret, & {text}").decode()
    assert (request.method, request.path) == ("POST", "/2010-04-01/Accounts/AC12/Messages.json")
    assert request.headers["Authorization"] == f"Basic {pair}"
    assert parse_qs(request.get_data(as_text=True)) == {
        "To": [NUMBER],
        "From": ["+4930123456"],
        "Body": [TEXT.strip()],
    }


def test_vonage_request_is_as_its_api_requires(create_preset, serve, message):
    requests = serve(*ACCEPTED["vonage"])

    create_preset("vonage").send(message)

    [request] = requests
    assert (request.method, request.path) == ("POST", "/sms/json")
    assert parse_qs(request.get_data(as_text=True)) == {
        "api_key": ["AC12"],
        "api_secret": ["s3cret, & {text}"],
        "to": ["4915112345678"],
        "from": ["+4930123456"],
        "text": [TEXT.strip()],
        "type": ["unicode"],
        "client-ref": [str(message.id)],
    }


def test_messagebird_request_is_as_its_api_requires(create_preset, serve, message):
    requests = serve(*ACCEPTED["messagebird"])

    create_preset("messagebird").send(message)

    [request] = requests
    assert (request.method, request.path) == ("POST", "/messages")
    assert request.headers["Authorization"] == "AccessKey s3cret, & {text}"
    assert request.headers["Content-Type"] == "application/json"
    assert json.loads(request.get_data()) == {
        "originator": "+4930123456",
        "recipients": ["4915112345678"],
        "body": TEXT.strip(),
        "datacoding": "auto",
        "reference": str(message.id),
    }


@pytest.mark.requirement("AP-10")
def test_sms_to_anything_but_one_number_is_a_permanent_failure(create_preset, serve, message):
    requests = serve(*ACCEPTED["twilio"])
    channel = create_preset("twilio")
    suffixes = ("\r\nX: y", "\0", ",+99")

    for number in (*(NUMBER + suffix for suffix in suffixes), "+49 151", "ada", "", "+" * 9):
        error = send_and_fail(channel, replace(message, recipient=number))

        assert error.permanent, repr(number)
    assert requests == []


@pytest.mark.requirement("AP-10")
def test_sms_text_in_a_url_stays_one_parameter(
    egress_allowed, serve, httpserver, message, tmp_path
):
    requests = serve(200, {})
    url = httpserver.url_for("/send") + "?to={to}&text={text}"

    SmsHttpChannel(describe_gateway(tmp_path, 'method = "GET"', url)).send(message)

    [request] = requests
    assert request.method == "GET"
    assert request.args.to_dict(flat=False) == {"to": [NUMBER], "text": [TEXT.strip()]}


# Responses


def test_gateway_error_of_the_number_is_a_permanent_failure(create_preset, serve, message):
    errors = [
        *(twilio_error(400, code) for code in (21211, 21408, 21610, 21614)),
        *(vonage_error(status) for status in ("6", "7", "33")),
        messagebird_error(422, 9, "recipients"),
        messagebird_error(422, 10, "recipients"),
    ]
    for name, status, body, code in errors:
        serve(status, body)

        error = send_and_fail(create_preset(name), message)

        assert error.permanent, (name, code)
        assert code in str(error), (name, code)


def test_gateway_error_of_any_other_kind_is_temporary_and_names_the_code(
    create_preset, serve, message
):
    errors = [
        twilio_error(429, 20429),
        twilio_error(401, 20003),
        twilio_error(400, 21606),  # the sender is not our number
        twilio_error(500, 20500),
        *(vonage_error(status) for status in ("1", "2", "4", "5", "9", "15")),
        messagebird_error(401, 2, "access_key"),
        messagebird_error(422, 9, "originator"),
        messagebird_error(422, 25),
        messagebird_error(500, 99),
    ]
    for name, status, body, code in errors:
        serve(status, body)

        error = send_and_fail(create_preset(name), message)

        assert not error.permanent, (name, code)
        assert code in str(error), (name, code)
        assert "quoted text" not in str(error), (name, code)  # it may quote the SMS


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("17", 17),
        ("999999", 3600),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
        ("", None),
    ],
)
def test_gateway_retry_after_is_respected_up_to_an_hour(
    create_preset, serve, message, retry_after, seconds
):
    serve(429, TWILIO | {"code": 20429}, {"Retry-After": retry_after})

    assert send_and_fail(create_preset("twilio"), message).retry_after == seconds


@pytest.mark.parametrize("name", ["twilio", "vonage", "messagebird"])
def test_gateway_response_that_is_invalid_is_a_temporary_failure(
    egress_allowed, message, tmp_path, name
):
    preset = (sms_gateway.FOLDER / f"{name}.toml").read_text()
    host = urlsplit(tomllib.loads(preset)["url"]).netloc
    file = tmp_path / f"{name}.toml"
    responses = [
        ("200 OK", b""),
        ("200 OK", b"<html>"),
        ("200 OK", b"[" * 60_000),
        ("200 OK", b'{"messages": "0"}'),
        ("200 OK", b'{"messages": [{"status": 7.5}]}'),
        ("200 OK", b"\xff\xfe"),
        ("200 OK", b" " * 70_000),
        ("302 Found", b""),
        ("503 Busy", b'{"messages": [{"status": "0"}]}'),
    ]
    for status, body in responses:
        response = http_response(body, status, Location="https://example.com")
        with loopback_server(respond_with(response)) as server:
            file.write_text(preset.replace(f"https://{host}", f"http://127.0.0.1:{server.port}"))
            channel = SmsHttpChannel(sms_gateway.load_gateway(str(file), CREDENTIALS))
            error = send_and_fail(channel, message)

        assert not error.permanent, (status, body[:40])


def test_gateway_in_a_private_network_is_not_called_unless_allowed(app, message, tmp_path):
    with loopback_server(respond_with(http_response(b""))) as server, app.app_context():
        form = '[form]\nto = "{to}"\ntext = "{text}"'
        gateway = describe_gateway(tmp_path, form, f"http://127.0.0.1:{server.port}/")
        error = send_and_fail(SmsHttpChannel(gateway), message)

    assert (error.permanent, server.connections) == (False, 0)


# Descriptions


def test_gateway_description_with_an_error_is_rejected_with_a_sentence(tmp_path):
    descriptions = {
        '[form]\nto = "{to}"': "{text} is not used",
        '[form]\ntext = "{text}"': "neither {to} nor {digits} is used",
        '[form]\ntext = "{text} {to} {number}"': "{number} is not a known placeholder",
        '[headers]\nX = "{text}"\n[form]\nto = "{to}"': "{text} is not allowed in a header",
        '[form]\na = "{to}{text}"\n[json]\nb = "1"': "form and json exclude each other",
        '[basic]\nuser = "x"\n[form]\na = "{to}{text}"': "basic needs a user and a password",
        'urls = "x"\n[form]\na = "{to}{text}"': "urls is none of accepted, basic",
        "[form\n": "gateway.toml is wrong",
        '[form]\na = "{to}{text}"\n[[refused]]\ncode = 4': "gateway.toml is wrong",
    }
    for description, sentence in descriptions.items():
        with pytest.raises(ValueError) as rejected:
            describe_gateway(tmp_path, description)

        assert sentence in str(rejected.value), description
        assert str(rejected.value).endswith("."), description


def test_gateway_description_without_a_valid_url_is_rejected(tmp_path):
    for url in ("", "sms.example.com", "ftp://sms.example.com"):
        with pytest.raises(ValueError, match="url must start with https"):
            describe_gateway(tmp_path, '[form]\na = "{to}{text}"', url)


def test_gateway_presets_use_https_and_are_in_the_manual():
    manual = (sms_gateway.FOLDER.parents[2] / "docs/mail-and-sms.md").read_text()
    for name in sms_gateway.list_presets():
        gateway = sms_gateway.load_gateway(name, CREDENTIALS)

        assert gateway.description["url"].startswith("https://"), name
        assert f"GATEHOUSE_SMS_GATEWAY={name}\n" in manual, name


# Settings


def load_gateways(**variables):
    """Return the gateways of the settings."""
    settings = Settings.from_environment(environment("sqlite:///x") | variables)
    return [c.gateway for c in routing.create_channels("sms", settings.sms_channels, settings)]


def test_gateway_settings_assign_credentials_to_several_gateways():
    first, second = load_gateways(
        GATEHOUSE_SMS_GATEWAY="twilio, vonage",
        GATEHOUSE_SMS_ACCOUNT="AC12, key",
        GATEHOUSE_SMS_SECRET="one, two",
        GATEHOUSE_SMS_FROM="+4930123456",
    )

    assert (first.name, first.credentials) == ("twilio", Credentials("AC12", "one", "+4930123456"))
    assert (second.name, second.credentials) == ("vonage", Credentials("key", "two", "+4930123456"))


def test_gateway_secret_may_contain_commas_if_there_is_one_gateway():
    secret = {"GATEHOUSE_SMS_SECRET": "a,b", "GATEHOUSE_SMS_FROM": "Example"}

    [gateway] = load_gateways(GATEHOUSE_SMS_GATEWAY="messagebird", **secret)

    assert gateway.credentials.secret == "a,b"
    assert "a,b" not in repr(gateway)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"GATEHOUSE_SMS_GATEWAY": "twillio"}, "there are messagebird, twilio, vonage"),
        ({"GATEHOUSE_SMS_GATEWAY": "/nowhere/x.toml"}, "/nowhere/x.toml cannot be read"),
        ({"GATEHOUSE_SMS_GATEWAY": "twilio"}, "it needs GATEHOUSE_SMS_ACCOUNT"),
        ({"GATEHOUSE_SMS_CHANNELS": "sms_http"}, "needs GATEHOUSE_SMS_GATEWAY"),
    ],
)
def test_gateway_with_incomplete_settings_stops_the_start(variables, sentence):
    with pytest.raises((ConfigurationError, ValueError), match=sentence):
        load_gateways(**variables)
