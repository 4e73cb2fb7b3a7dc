"""What happens while the provider of the CAPTCHA does not answer."""

import json

import pytest

from models import FailedAttemptCounter
from tests.captcha.conftest import REQUIRED, after_failures, always, status_and_code
from tests.client import PASSWORD
from tests.login_attempts import ADA
from tests.rows import audited, rows

pytestmark = pytest.mark.requirement("RL-08")


@pytest.fixture
def provider(httpserver):
    """A provider that is unavailable until a test configures its response."""
    httpserver.expect_request("/siteverify").respond_with_data("", 500)
    return httpserver


@pytest.fixture
def settings_environment(request, settings_environment):
    """Configure the provider for tests that use one."""
    if "provider" not in request.fixturenames:
        return settings_environment
    server = request.getfixturevalue("provider")
    return settings_environment | {
        "GATEHOUSE_CAPTCHA": "hcaptcha",
        "GATEHOUSE_CAPTCHA_SITE_KEY": "k",
        "GATEHOUSE_CAPTCHA_SECRET": "s",
        "GATEHOUSE_CAPTCHA_VERIFY_URL": server.url_for("/siteverify"),
        "GATEHOUSE_EGRESS_ALLOWLIST": f"localhost:{server.port}",
    }


@always
def test_policy_always_rejects_requests_while_the_provider_is_unavailable(
    provider, app, attempt_login
):
    responses = [
        attempt_login(ADA, PASSWORD, captcha="a token"),
        attempt_login(captcha="a token"),
    ]

    assert [status_and_code(response) for response in responses] == [
        (503, "service_unavailable")
    ] * 2
    assert rows(app, FailedAttemptCounter) == []
    assert audited(app, "login.failed") == []


@after_failures
def test_policy_after_failures_accepts_requests_while_the_provider_is_unavailable(
    provider, attempt_login
):
    for _ in range(3):
        attempt_login()

    blocked = [status_and_code(attempt_login(captcha="a token")) for _ in range(3)]
    other = status_and_code(attempt_login(identifier="bob@example.com"))

    assert blocked == [(401, "invalid_credentials")] * 2 + [(429, "too_many_attempts")]
    assert other == (401, "invalid_credentials")


@after_failures
def test_captcha_is_required_again_when_the_provider_is_available_again(provider, attempt_login):
    for _ in range(3):
        attempt_login()
    provider.clear()
    success = {"success": True, "hostname": "localhost"}
    provider.expect_request("/siteverify").respond_with_data(json.dumps(success))

    assert status_and_code(attempt_login()) == REQUIRED
    assert attempt_login(captcha="a token").status_code == 401
    assert status_and_code(attempt_login(captcha="a token")) == REQUIRED  # it is used
