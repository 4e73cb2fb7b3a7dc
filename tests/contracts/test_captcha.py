"""The contract that every CAPTCHA provider fulfils."""

import base64
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

import pytest
from altcha import Challenge, Payload, solve_challenge
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from gatehouse.captcha.provider import CaptchaFailed, ProviderUnavailable
from gatehouse.core import plugins
from gatehouse.settings.parsers import egress_destinations
from tests.mail_links import advance_clock

pytestmark = pytest.mark.requirement("RL-08")
PACKAGE = "gatehouse.captcha.providers"
PLUGINS = plugins.list_names(PACKAGE)
PROVIDERS = [name for name in PLUGINS if name != "altcha"]
NUMBERS = itertools.count()
SECRET = "the secret of the site"
HOST = "id.example.com"


@dataclass
class Provider:
    """A `siteverify` server that records requests and responds as the three providers document."""

    server: HTTPServer
    requests: list[dict[str, list[str]]]
    respond: Callable[[dict[str, list[str]]], Response]


def json_response(**result: object) -> Response:
    """Return a response with a JSON result."""
    return Response(json.dumps(result), content_type="application/json")


def accept_solved(form: dict[str, list[str]], action: str = "login") -> Response:
    """Accept tokens such as `solved for login #1`, for the action that they name."""
    token = form["response"][0]
    if not token.startswith("solved for "):
        return json_response(**{"success": False, "error-codes": ["invalid-input-response"]})
    return json_response(success=True, hostname=HOST, action=token.split()[2], score=0.9)


@pytest.fixture
def provider(app, httpserver):
    provider = Provider(httpserver, [], accept_solved)

    def verify(request: Request) -> Response:
        form = parse_qs(request.get_data(as_text=True))
        provider.requests.append(form)
        return provider.respond(form)

    httpserver.expect_request("/siteverify", method="POST").respond_with_handler(verify)
    app.extensions["gatehouse.settings"] = replace(
        app.extensions["gatehouse.settings"],
        public_url=f"https://{HOST}",
        captcha_secret=SECRET,
        captcha_site_key="the site key",
        captcha_verify_url=httpserver.url_for("/siteverify"),
        captcha_cost=5,
        egress_allowlist=egress_destinations(f"localhost:{httpserver.port}"),
    )
    with app.app_context():
        yield provider


def load(name):
    return plugins.load(PACKAGE, [name])[name]


@pytest.fixture(params=PLUGINS)
def captcha(request, provider):
    return load(request.param)


@pytest.fixture
def altcha(provider):
    return load("altcha")


@pytest.fixture(params=PROVIDERS)
def verifier(request, provider):
    return load(request.param)


def solve(captcha, action="login"):
    """Return a right answer, computed as in a browser."""
    challenge = captcha.challenge(action)
    if "parameters" not in challenge:
        return f"solved for {action} #{next(NUMBERS)}"
    challenge = Challenge.from_dict(challenge)
    return Payload(challenge, solve_challenge(challenge)).to_base64()


# All providers


def test_answer_to_a_challenge_is_accepted(captcha):
    assert captcha.verify(solve(captcha), "login").answer_id


def test_answers_have_different_ids(captcha):
    first, second = (captcha.verify(solve(captcha), "login") for _ in range(2))

    assert first.answer_id != second.answer_id


def test_challenge_is_json_without_the_secret(captcha):
    assert SECRET not in json.dumps(captcha.challenge("login"))


def test_malformed_answers_are_rejected(captcha):
    for answer in ("x", " ", "e30=", "W10=", "null", "\u20ac", "x" * 8192):
        with pytest.raises(CaptchaFailed):
            captcha.verify(answer, "login")


def test_answer_for_another_action_is_rejected(captcha):
    answer = solve(captcha, "register")
    if captcha is load("hcaptcha"):
        pytest.skip("hCaptcha binds tokens to a host but to no action, see docs/captcha.md")

    with pytest.raises(CaptchaFailed):
        captcha.verify(answer, "login")


# ALTCHA


def decode_answer(answer):
    return json.loads(base64.b64decode(answer))


def encode_answer(payload):
    return base64.b64encode(json.dumps(payload).encode()).decode()


def test_altcha_challenge_expires(altcha):
    answer = solve(altcha)

    with advance_clock(minutes=11), pytest.raises(CaptchaFailed):
        altcha.verify(answer, "login")


def test_altcha_answer_has_the_same_id_in_another_encoding(altcha):
    answer = solve(altcha)
    payload = decode_answer(answer)
    payload["solution"]["time"] = 12.5
    payload["more"] = "data"
    other = base64.b64encode(json.dumps(payload, indent=2).encode()).decode()

    assert other != answer
    assert altcha.verify(other, "login").answer_id == altcha.verify(answer, "login").answer_id


@pytest.fixture
def solution(altcha):
    """A right answer; computing one takes long."""
    return solve(altcha)


def is_accepted(altcha, payload):
    try:
        altcha.verify(encode_answer(payload), "login")
    except CaptchaFailed:
        return False
    return True


EASIER_PARAMETERS = [
    {"cost": 1, "keyPrefix": "00"},
    {"keyPrefix": ""},
    {"keyPrefix": "00"},
    {"expiresAt": 4_102_444_800},
    {"expiresAt": None},
    {"nonce": "00" * 16, "keyPrefix": "00"},
    {"algorithm": "SHA-256"},
    {"data": {"action": "login"}},
]


def test_altcha_challenge_with_changed_parameters_is_rejected(altcha, solution):
    for change in EASIER_PARAMETERS:
        payload = decode_answer(solution)
        payload["challenge"]["parameters"] |= change
        if "keyPrefix" in change:
            solved = solve_challenge(Challenge.from_dict(payload["challenge"]))
            payload["solution"] = solved.to_dict()

        assert not is_accepted(altcha, payload), change


def test_altcha_challenge_without_a_valid_signature_is_rejected(altcha, solution):
    for signature in (None, "", "00" * 32, 1, [], {}):
        payload = decode_answer(solution)
        payload["challenge"]["signature"] = signature

        assert not is_accepted(altcha, payload), signature


WRONG_SOLUTIONS = [
    {},
    {"counter": 0, "derivedKey": "00"},
    {"counter": "1", "derivedKey": 1},
    [],
    None,
    1,
    "x",
]


def test_altcha_wrong_solution_is_rejected(altcha, solution):
    for wrong in WRONG_SOLUTIONS:
        payload = decode_answer(solution) | {"solution": wrong}

        assert not is_accepted(altcha, payload), wrong


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    st.lists(
        st.sampled_from(["challenge", "parameters", "signature", "solution", "counter"])
        | st.sampled_from(["nonce", "salt", "cost", "expiresAt", "keyPrefix"])
    ),
    JSON,
)
def test_altcha_answer_with_any_json_is_verified_or_rejected(altcha, solution, path, value):
    payload = base = decode_answer(solution)
    for step in path[:-1]:
        base = base.setdefault(step, {}) if isinstance(base, dict) else {}
    if path and isinstance(base, dict):
        base[path[-1]] = value

    if is_accepted(altcha, payload):
        assert decode_answer(encode_answer(payload))["challenge"]["signature"]


def test_altcha_challenge_is_valid_after_a_key_rotation(altcha, app):
    answer = solve(altcha)
    now = app.extensions["gatehouse.settings"]
    ring = replace(now.secret_keys, keys={"new": bytes(range(200, 232)), **now.secret_keys.keys})
    app.extensions["gatehouse.settings"] = replace(now, secret_keys=ring)

    assert altcha.verify(answer, "login").answer_id


# Providers with a siteverify API


def test_siteverify_request_has_only_the_secret_and_the_answer(verifier, provider):
    answer = "solved for login & more=1"

    verifier.verify(answer, "login")

    assert provider.requests == [{"secret": [SECRET], "response": [answer]}]


def test_siteverify_challenge_has_the_site_key(verifier):
    challenge = verifier.challenge("login")

    assert challenge["provider"] in PROVIDERS
    assert challenge["site_key"] == "the site key"


def test_siteverify_answer_of_another_host_is_rejected(verifier, provider):
    for host in ("evil.example", "example.com", "", None, f"{HOST}.evil.example", [HOST]):
        more = {} if host is None else {"hostname": host}
        result = {"success": True, "action": "login"} | more
        provider.respond = lambda _form, result=result: json_response(**result)

        with pytest.raises(CaptchaFailed):
            verifier.verify("a token", "login")


def test_siteverify_answer_of_an_allowed_origin_is_accepted(verifier, provider, app):
    now = app.extensions["gatehouse.settings"]
    origins = ("https://app.example.com:8443",)
    app.extensions["gatehouse.settings"] = replace(now, allowed_origins=origins)
    provider.respond = lambda _form: json_response(
        success=True, action="login", hostname="app.example.com"
    )

    assert verifier.verify("a token", "login")


def test_siteverify_answer_with_a_low_score_is_rejected(verifier, provider):
    for score in (0.4, 0, -1, "0.9", None):
        provider.respond = lambda _form, score=score: json_response(
            success=True, action="login", hostname=HOST, score=score
        )

        with pytest.raises(CaptchaFailed):
            verifier.verify("a token", "login")


REJECTIONS = [
    ["timeout-or-duplicate"],  # Turnstile, reCAPTCHA
    ["already-seen-response"],  # hCaptcha
    ["invalid-or-already-seen-response"],
    ["sitekey-secret-mismatch"],  # a token of another site key
    ["invalid-input-response"],
    ["bad-request"],
    [],
    None,
    "odd",
    [{}],
]


@pytest.mark.parametrize("status", [200, 400])
def test_siteverify_rejection_rejects_the_answer(verifier, provider, status):
    for codes in REJECTIONS:
        body = json.dumps({"success": False, "error-codes": codes})
        provider.respond = lambda _form, body=body: Response(body, status)

        with pytest.raises(CaptchaFailed):
            verifier.verify("a token", "login")


def test_siteverify_success_is_the_boolean_true(verifier, provider):
    for success in ("true", 1, None, [], "yes"):
        result = {"success": success, "hostname": HOST, "action": "login"}
        provider.respond = lambda _form, result=result: json_response(**result)

        with pytest.raises(CaptchaFailed):
            verifier.verify("a token", "login")


UNUSABLE_RESPONSES = [
    (500, b"oops"),
    (503, b'{"success": true, "hostname": "id.example.com", "action": "login"}'),
    (429, b"slow down"),
    (302, b""),
    (200, b"<html>garbage"),
    (200, b""),
    (200, b"[true]"),
    (200, b'"success"'),
    (200, b"{}"),
    (200, b"[" * 60_000),
    (200, b'{"success": true}' + b" " * 70_000),
    (200, b'{"success": false, "error-codes": ["invalid-input-secret"]}'),
    (200, b'{"success": false, "error-codes": ["internal-error"]}'),
]


def test_siteverify_response_that_is_unusable_makes_the_provider_unavailable(verifier, provider):
    for status, body in UNUSABLE_RESPONSES:
        provider.respond = lambda _form, status=status, body=body: Response(body, status)

        with pytest.raises(ProviderUnavailable):
            verifier.verify("a token", "login")


def test_siteverify_client_error_rejects_the_answer(verifier, provider):
    provider.respond = lambda _form: Response(b"URI too long", 414)

    with pytest.raises(CaptchaFailed):
        verifier.verify("a token", "login")


def test_siteverify_provider_that_cannot_be_reached_is_unavailable(verifier, app):
    now = app.extensions["gatehouse.settings"]
    closed = {"captcha_verify_url": "http://localhost:1/siteverify"}
    allowed = egress_destinations("localhost:1")
    app.extensions["gatehouse.settings"] = replace(now, egress_allowlist=allowed, **closed)

    with pytest.raises(ProviderUnavailable):
        verifier.verify("a token", "login")


def test_siteverify_provider_that_is_too_slow_is_unavailable(provider, monkeypatch):
    monkeypatch.setattr("gatehouse.captcha.siteverify.TIMEOUT_SECONDS", 0.2)
    provider.respond = lambda _form: Response(respond_slowly(), 200)

    with pytest.raises(ProviderUnavailable):
        load("turnstile").verify("a token", "login")


def respond_slowly():
    """Yield a response that takes longer than the timeout."""
    for _ in range(20):
        yield b" "
        time.sleep(0.05)


def test_siteverify_secret_is_never_logged(verifier, provider, capfd, caplog):
    provider.respond = lambda _form: Response(b"oops", 500)

    with pytest.raises(ProviderUnavailable) as error:
        verifier.verify("a token", "login")

    output = capfd.readouterr()
    assert SECRET not in output.out + output.err + caplog.text + str(error.value)
