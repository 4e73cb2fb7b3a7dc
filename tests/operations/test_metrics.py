"""Metrics: sums over two workers, and access with the token only."""

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gatehouse.core import metrics
from tests.surface.conftest import read_problem

TOKEN = "a long token of the metrics"
IN_PRODUCTION = {
    "GATEHOUSE_ENV": "production",
    "GATEHOUSE_PUBLIC_URL": "https://id.example.com",
    "GATEHOUSE_BCRYPT_COST": None,
}
production = pytest.mark.settings(**IN_PRODUCTION)


def sample_value(exposed, name, **labels):
    """Return the value of a sample in the Prometheus text format."""
    for family in text_string_to_metric_families(exposed):
        for sample in family.samples:
            if sample.name == name and sample.labels.items() >= labels.items():
                return sample.value
    return 0


def test_metrics_are_the_sum_over_the_workers_by_route(live):
    for number in range(20):
        live.get(f"/unknown/{number}")
        live.client.delete(f"/auth/sessions/01900000-0000-7000-8000-{number:012}")
    live.client.in_parallel(20, "/auth/login", {"identifier": "unknown", "password": "wrong"})

    exposed = live.get("/metrics").text

    requests = "gatehouse_request_seconds_count"
    login = {"method": "POST", "route": "/auth/login", "status": "401"}
    assert sample_value(exposed, requests, route="none", status="404") == 20
    assert sample_value(exposed, requests, route="/auth/sessions/<uuid:session_id>") == 20
    assert sample_value(exposed, requests, **login) == 5
    assert sample_value(exposed, requests, **login | {"status": "429"}) == 15
    assert sample_value(exposed, "gatehouse_events_total", event="login.failed") == 5
    assert sample_value(exposed, "gatehouse_password_attempts_throttled_total") == 15
    assert sample_value(exposed, "gatehouse_password_hash_seconds_count") == 5
    assert "unknown/" not in exposed
    assert "01900000" not in exposed


def test_metrics_have_the_refresh_time_of_revocations_of_a_worker(live):
    read_at = sample_value(
        live.get("/metrics").text, "gatehouse_revocations_refreshed_timestamp_seconds"
    )

    assert abs(time.time() - read_at) < 600


def test_metrics_include_every_metric_that_the_code_declares(live):
    exposed = live.get("/metrics").text
    named = [metric for metric in metrics.ALL_METRICS if not metric._labelnames]

    assert metrics.TRANSACTION_CONFLICTS in named
    for metric in named:
        assert f"# TYPE {metric._name}" in exposed, metric._name


def test_metrics_need_no_token_in_development(client):
    response = client.get("/metrics")

    assert response.status_code == 200
    assert response.content_type.startswith("text/plain; version=")


@pytest.mark.requirement("CF-01")
@production
def test_metrics_do_not_exist_in_production_without_a_token(client):
    assert read_problem(client.get("/metrics")) == (404, "not_found")
    assert read_problem(client.as_("anything").get("/metrics")) == (404, "not_found")


@production
@pytest.mark.settings(GATEHOUSE_METRICS_TOKEN=TOKEN)
def test_metrics_are_returned_in_production_with_the_token(client):
    assert client.as_(TOKEN).get("/metrics").status_code == 200


@pytest.mark.settings(GATEHOUSE_METRICS_TOKEN=TOKEN)
def test_metrics_need_the_token_wherever_one_is_set(client, make_user):
    access_token = client.log_in(make_user())["access_token"]

    assert read_problem(client.get("/metrics")) == (401, "token_missing")
    for wrong in ("wrong", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "t\xf6ken", access_token):
        assert read_problem(client.as_(wrong).get("/metrics")) == (401, "token_invalid"), wrong
    assert read_problem(client.get(f"/metrics?token={TOKEN}")) == (401, "token_missing")
