"""Counter keys of rate limits: IP addresses, recipients, and all requests of a route."""

import re

import pytest
import redis
from limits import parse

from gatehouse.settings.route_limits import ROUTE_LIMITS
from gatehouse.users.identifiers import get_recipient
from gatehouse.web import rate_limits
from models import LimitCounter
from tests.conftest import key, running
from tests.rows import rows
from tests.web.rate_limited_requests import (
    each_store,
    limits_on,
    log_in,
    make_ip_addresses,
    read_counters,
    read_limit,
    register,
    send_empty_logins,
)


@each_store
@pytest.mark.requirement("RL-05")
def test_ip_address_limit_counts_each_ipv4_address_and_ipv6_64(limited_app):
    send_empty_logins(limited_app, 60, "192.0.2.1")
    statuses = [
        send_empty_logins(limited_app, 1, f"2001:db8::{n:x}:{n:x}")[0] for n in range(1, 101)
    ]

    assert statuses == [422] * 60 + [429] * 40
    assert send_empty_logins(limited_app, 1, "192.0.2.2") == [422]
    mapped = "::ffff:192.0.2.1"  # the same address, RFC 4291 section 2.5.5.2
    assert send_empty_logins(limited_app, 1, mapped) == [429]
    assert send_empty_logins(limited_app, 1, "2001:db8:0:1::1") == [422]


@each_store
@pytest.mark.requirement("RL-05")
def test_recipient_limit_counts_all_spellings_and_ip_addresses(limited_app):
    spellings = [
        "victim@b\u00fccher.example",
        "VICTIM@xn--bcher-kva.example",
        "Victim@B\u00dcCHER.example",
    ]
    responses = [
        register(limited_app, [ip_address], spellings[number % 3])[0]
        for number, ip_address in enumerate(make_ip_addresses(11))
    ]

    assert [response.status_code for response in responses] == [202] * 10 + [429]
    assert read_limit(responses[-1])[:3] == ("recipient", 10, 600)
    assert register(limited_app, make_ip_addresses(1), "another@example.com")[0].status_code == 202


@limits_on
@pytest.mark.requirement("RL-05")
def test_recipient_limit_is_the_same_for_known_and_unknown_recipients(app, make_user):
    user = make_user(email="known@example.com")

    known = register(app, make_ip_addresses(11), user.email)
    unknown = register(app, make_ip_addresses(11, first=100), "unknown@example.com")

    assert [a.status_code for a in known] == [a.status_code for a in unknown]
    assert read_limit(known[-1])[:3] == read_limit(unknown[-1])[:3] == ("recipient", 10, 600)


@each_store
@pytest.mark.requirement("RL-05")
def test_overall_limit_applies_where_a_request_costs_a_hash_or_a_message(limited_app):
    paths = {
        getattr(view, "limit", None): rule.rule
        for rule in limited_app.url_map.iter_rules()
        if "POST" in rule.methods
        and not hasattr(view := limited_app.view_functions[rule.endpoint], "accepts")  # a page
    }
    for name, limits in ROUTE_LIMITS.items():
        if not limits.overall:
            continue
        exhaust_overall_limit(limited_app, name)

        response = limited_app.test_client().post(paths[name], json={})

        assert response.status_code == 429, name
        assert read_limit(response)[:3] == ("overall", parse(limits.overall).amount, 60), name


def exhaust_overall_limit(app, name):
    """Exhaust the overall limit, as a thousand IP addresses would."""
    rule = next(rule for rule in rate_limits.rules_for(name) if rule.kind == "overall")
    with app.test_request_context():
        key = rule.item.key_for(rate_limits.KEY_PREFIX, rate_limits.overall_key(), rule.scope)
        rate_limits.limiter.storage.incr(key, 60, rule.item.amount)


@limits_on
@pytest.mark.requirement("RL-05")
def test_request_over_the_ip_address_limit_is_not_counted_elsewhere(app):
    """Otherwise one client could exhaust the overall limit, or that of a recipient."""
    register(app, ["192.0.2.1"] * 60, "other@example.com")
    register(app, ["192.0.2.1"] * 15, "victim@example.com")

    assert register(app, ["192.0.2.2"])[0].status_code == 202
    [hits] = [hits for _, _, kind, hits in read_counters(app) if kind == "overall"]
    assert hits == 4 + 1  # requests over the recipient's limits are not counted either


@limits_on
def test_body_without_a_recipient_is_not_counted_for_one(app):
    forms = [{}, [], "text", {"email": 7}, {"email": "invalid"}, {"email": None, "phone": ["+49"]}]

    for form in forms:
        response = app.test_client().post("/auth/register", json=form)

        assert response.status_code == 422, form
        assert {kind for _, _, kind, _ in read_counters(app)} == {"ip_address", "overall"}, form


@limits_on
def test_malformed_json_is_counted_for_its_ip_address(app):
    post = app.test_client().post
    statuses = [
        post("/auth/register", data="{", content_type="application/json").status_code
        for _ in range(61)
    ]

    assert statuses == [400] * 60 + [429]


def test_recipient_is_the_email_address_or_else_the_phone_number():
    assert (
        get_recipient({"email": "Ann@EXAMPLE.com", "phone": "+4915112345678"}) == "ann@example.com"
    )
    assert get_recipient({"phone": "+49 151 12345678"}) == "+4915112345678"
    assert get_recipient({"phone": "0151"}) == ""
    assert get_recipient({"identifier": "ann@example.com"}) == ""


@each_store
def test_counter_keys_contain_no_address_or_number(limited_app, request, with_redis):
    log_in(limited_app, 1, "192.0.2.1")
    log_in(limited_app, 1, "2001:db8::1")
    register(limited_app, ["192.0.2.1"], "victim@example.com", phone="+4915112345678")

    if with_redis:
        with redis.Redis.from_url(request.getfixturevalue("valkey")) as connection:
            keys = [name.decode() for name in connection.scan_iter()]
    else:
        keys = [row.key for row in rows(limited_app, LimitCounter)]
    digests = [name.split("/")[2] for name in keys if "/" in name]
    assert sorted(map(len, digests)) == [len("everyone")] * 2 + [32] * 5
    assert not re.search(r"192\.0\.2\.1|2001:db8|victim|49151", "".join(keys))


@limits_on
def test_counter_keys_depend_on_the_secret_keys(app, settings_environment):
    """The digests are keyed: with other secret keys an IP address has another counter."""
    log_in(app, 1)
    other_secrets = {**settings_environment, "GATEHOUSE_SECRET_KEYS": key(5)}
    with running(other_secrets) as second:
        log_in(second, 1)

    assert len({digest for digest, _, kind, _ in read_counters(app) if kind == "ip_address"}) == 2
