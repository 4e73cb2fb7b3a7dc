"""Metrics: right under two workers, and for those with the token only."""

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.surface.conftest import verdict

TOKEN = "a long token of the metrics"
IN_PRODUCTION = {
    "GATEHOUSE_ENV": "production",
    "GATEHOUSE_PUBLIC_URL": "https://id.example.com",
    "GATEHOUSE_BCRYPT_COST": None,
}
production = pytest.mark.settings(**IN_PRODUCTION)


def counted(metrics, name, **labels):
    """Return the value of a sample in the Prometheus text format."""
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == name and sample.labels.items() >= labels.items():
                return sample.value
    return 0


def test_the_sum_over_the_workers_is_what_was_asked_by_route(live):
    for number in range(20):
        live.get(f"/invented/{number}")
        live.client.delete(f"/auth/sessions/01900000-0000-7000-8000-{number:012}")
    live.client.in_parallel(20, "/auth/login", {"identifier": "nobody", "password": "wrong"})

    metrics = live.get("/metrics").text

    requests = "gatehouse_request_seconds_count"
    login = {"method": "POST", "route": "/auth/login", "status": "401"}
    assert counted(metrics, requests, route="none", status="404") == 20
    assert counted(metrics, requests, route="/auth/sessions/<uuid:session_id>") == 20
    assert counted(metrics, requests, **login) == 5
    assert counted(metrics, requests, **login | {"status": "429"}) == 15
    assert counted(metrics, "gatehouse_events_total", event="login.failed") == 5
    assert counted(metrics, "gatehouse_guesses_refused_total") == 15
    assert counted(metrics, "gatehouse_password_hash_seconds_count") == 5
    assert "invented" not in metrics
    assert "01900000" not in metrics


def test_the_age_of_the_revocations_is_that_of_a_worker_and_not_of_their_master(live):
    read_at = counted(live.get("/metrics").text, "gatehouse_revocations_read_timestamp_seconds")

    assert abs(time.time() - read_at) < 600


def test_development_shows_its_metrics_to_everyone(client):
    answer = client.get("/metrics")

    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")


@production
def test_production_without_a_token_has_no_metrics(client):
    assert verdict(client.get("/metrics")) == (404, "not_found")
    assert verdict(client.as_("anything").get("/metrics")) == (404, "not_found")


@production
@pytest.mark.settings(GATEHOUSE_METRICS_TOKEN=TOKEN)
def test_production_shows_its_metrics_to_whoever_has_the_token(client):
    assert client.as_(TOKEN).get("/metrics").status_code == 200


@pytest.mark.settings(GATEHOUSE_METRICS_TOKEN=TOKEN)
def test_a_token_is_asked_for_wherever_one_is_set(client, make_user):
    somebody = client.log_in(make_user())["access_token"]

    assert verdict(client.get("/metrics")) == (401, "token_missing")
    for wrong in ("wrong", TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "t\xf6ken", somebody):
        assert verdict(client.as_(wrong).get("/metrics")) == (401, "token_invalid"), wrong
    assert verdict(client.get(f"/metrics?token={TOKEN}")) == (401, "token_missing")
