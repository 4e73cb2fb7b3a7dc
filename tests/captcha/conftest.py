"""Policies that require a CAPTCHA, and clients that solve it."""

import pytest
from altcha import Challenge, Payload, solve_challenge

from tests.login_attempts import ADA

REQUIRED = (403, "captcha_required")
LOGIN, REGISTER = "/auth/login", "/auth/register"
after_failures = pytest.mark.settings(
    GATEHOUSE_CAPTCHA_REGISTER="after_failures",
    GATEHOUSE_CAPTCHA_PASSWORD_RESET="after_failures",
    GATEHOUSE_CAPTCHA_LOGIN="after_failures",
    GATEHOUSE_CAPTCHA_COST="5",
)
always = pytest.mark.settings(
    GATEHOUSE_CAPTCHA_REGISTER="always",
    GATEHOUSE_CAPTCHA_LOGIN="always",
    GATEHOUSE_CAPTCHA_COST="5",
)


def status_and_code(response):
    """Return the status and the error code of a response."""
    problem = response.json if response.status_code >= 400 else {}
    return response.status_code, problem.get("code")


def solve_captcha(client, action="login"):
    """Get a challenge and return its answer."""
    challenge = Challenge.from_dict(client.get(f"/auth/captcha?action={action}").json)
    return Payload(challenge, solve_challenge(challenge)).to_base64()


@pytest.fixture
def ada(make_user):
    return make_user(email=ADA)
