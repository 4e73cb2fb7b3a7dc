"""Rate limits, and lifetimes and lengths of codes, as settings: their effect and their bounds."""

from datetime import UTC, datetime, timedelta

import pytest

from models import OneTimeCode
from tests.account.conftest import NUMBER, read_messages
from tests.config.conftest import read_problems, read_settings
from tests.rows import rows
from tests.web.rate_limited_requests import limits_on, read_limit, register, send_empty_logins


@limits_on
@pytest.mark.settings(GATEHOUSE_LIMIT_LOGIN="70/minute")
@pytest.mark.requirement("RL-05")
def test_limit_of_a_setting_replaces_the_default(app):
    """An office behind one address has more than 60 right logins a minute."""
    statuses = send_empty_logins(app, 71)

    assert statuses == [422] * 70 + [429]


@limits_on
@pytest.mark.settings(GATEHOUSE_LIMIT_REGISTER="100/hour, recipient=2/3 minutes")
def test_limit_of_each_kind_is_set_apart(app):
    responses = register(app, [f"192.0.2.{number}" for number in range(3)])

    assert [response.status_code for response in responses] == [202, 202, 429]
    assert read_limit(responses[-1])[:3] == ("recipient", 2, 180)


def test_limits_that_are_not_given_keep_their_default():
    limits = read_settings(GATEHOUSE_LIMIT_REGISTER="5 per 2 minutes").limit_register

    assert (limits.ip_address, limits.recipient, limits.overall) == (
        "5 per 2 minutes", "10 per 10 minutes", "1200 per minute",
    )  # fmt: skip


def test_wrong_limits_stop_the_start_with_one_sentence():
    for value, sentence in {
        "60": "must look like 60/minute",
        "60/fortnight": "must look like 60/minute",
        "-1/minute": "must look like 60/minute",
        "0/minute": "must allow 1 to 1000000 requests, in 1 second to 24 hours",
        "9/25 hours": "must allow 1 to 1000000 requests, in 1 second to 24 hours",
        "9/minute, 8/minute": "has two limits for ip_address",
        "recipient=9/minute": "has no limit for recipient",
    }.items():
        [problem] = read_problems(GATEHOUSE_LIMIT_LOGIN=value)

        assert problem.startswith(f"GATEHOUSE_LIMIT_LOGIN {sentence}"), value


LIFETIMES = {
    "GATEHOUSE_VERIFICATION_LIFETIME": "601",
    "GATEHOUSE_PASSWORD_RESET_LIFETIME": "302",
    "GATEHOUSE_LOGIN_LINK_LIFETIME": "63",
    "GATEHOUSE_SHORT_CODE_LIFETIME": "64",
    "GATEHOUSE_SHORT_CODE_DIGITS": "7",
    "GATEHOUSE_EMAIL_CHANGE_LIFETIME": "605",
}


@pytest.mark.settings(**LIFETIMES)
@pytest.mark.requirement("MF-05")
@pytest.mark.requirement("RG-03")
def test_lifetimes_and_lengths_of_codes_are_those_of_the_settings(app, client, make_user):
    user = make_user()
    mine = client.as_(client.log_in(user))
    before = datetime.now(UTC)
    client.register("new@example.com")
    client.post("/auth/password/forgot", {"email": user.email})
    client.post("/auth/login/link", {"email": user.email})
    mine.post("/auth/phone", {"phone": NUMBER})
    mine.post("/auth/email/change", {"email": "other@example.com"})

    lifetimes = sorted(row.expires_at - before for row in rows(app, OneTimeCode))
    seconds = [lifetime // timedelta(seconds=1) for lifetime in lifetimes]
    wanted = [63, 64, 302, 601, 605]
    assert len(seconds) == len(wanted)
    assert all(0 <= found - value < 60 for found, value in zip(seconds, wanted, strict=True))
    assert len(read_messages(client, NUMBER, "sms_phone")[0]["code"]) == 7


def test_lifetimes_out_of_bounds_stop_the_start_and_name_the_bound():
    for name, value, bound in (
        ("VERIFICATION_LIFETIME", "86401", "NIST SP 800-63B-4 section 4.2.1.2"),
        ("EMAIL_CHANGE_LIFETIME", "86401", "NIST SP 800-63B-4 section 4.2.1.2"),
        ("PASSWORD_RESET_LIFETIME", "3601", "requirement RG-03: at most 60 minutes"),
        ("INVITATION_LIFETIME", "604801", "requirement PW-13"),
        ("LOGIN_LINK_LIFETIME", "601", "OWASP ASVS 6.5.5: at most 10 minutes"),
        ("SHORT_CODE_LIFETIME", "601", "requirement MF-05: at most 10 minutes"),
        ("SHORT_CODE_DIGITS", "5", "requirement MF-05: at least 6 digits"),
    ):
        [problem] = read_problems(**{f"GATEHOUSE_{name}": value})

        assert problem.startswith(f"GATEHOUSE_{name} must be a whole number from"), name
        assert bound in problem
