"""Clients authenticate at each endpoint that is theirs, over HTTP."""

import base64

import pytest

from tests.oauth.relying_party import secret_of
from tests.rows import audited

ENDPOINTS = {
    "/oauth2/token": {"grant_type": "client_credentials"},
    "/oauth2/revoke": {"token": "unknown"},
    "/oauth2/introspect": {"token": "unknown"},
}
SERVICE = {
    "id": "billing",
    "kind": "service",
    "grant_types": ["client_credentials"],
    "redirect_uris": [],
    "response_modes": [],
    "scopes": [],
}


def basic(client_id, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def outcome(response):
    return response.status_code, response.json.get("error")


@pytest.mark.requirement("OA-11")
def test_confidential_client_authenticates_at_each_endpoint(app, make_client):
    make_client(**SERVICE)
    secret = secret_of("billing")

    for path, form in ENDPOINTS.items():

        def send(headers=None, form=form, path=path, **more):
            return app.test_client().post(path, data=form | more, headers=headers)

        right = send(basic("billing", secret))
        wrong = [
            send(basic("billing", "wrong")),
            send(basic("unknown", "wrong")),
            send(client_id="billing"),
            send(client_id="billing", client_secret=secret),
        ]
        assert right.status_code == 200, (path, right.json)
        assert {outcome(answer) for answer in wrong} == {(401, "invalid_client")}, path
        for answer in wrong:
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
            assert answer.headers["Cache-Control"] == "no-store"
        assert len({answer.json["error_description"] for answer in wrong}) == 1
        both = send(basic("billing", secret), client_id="billing", client_secret=secret)
        assert outcome(both) == (400, "invalid_request"), path
    reasons = [event.details["reason"] for event in audited(app, "client.rejected")]
    assert reasons == ["secret", "unknown_client", "method", "method"] * len(ENDPOINTS)
