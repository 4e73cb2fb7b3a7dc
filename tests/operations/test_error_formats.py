"""Error and body formats: a blueprint chooses both, for every kind of error under its prefix."""

from dataclasses import dataclass
from unittest.mock import patch

import pytest
from flask import Response, jsonify
from marshmallow import Schema
from sqlalchemy import text

from gatehouse.audit import events
from gatehouse.core.errors import ApiError
from gatehouse.database.session import db
from gatehouse.tokens.errors import TokenMissing
from gatehouse.web.error_formats import ErrorFormat
from gatehouse.web.fields import Form, String
from gatehouse.web.openapi import FORM, Blueprint
from tests.rows import audited
from tests.surface.conftest import read_problem

pytestmark = pytest.mark.alters_the_application
CODES = {401: "invalid_client", 503: "temporarily_unavailable", 500: "server_error"}
RIGHT = {"grant_type": "x"}


def render_oauth_error(error: ApiError) -> Response:
    """Return an error of the token endpoint (RFC 6749 section 5.2)."""
    code = CODES.get(error.status, "invalid_request")
    response = jsonify(error=code, error_description=str(error))
    response.status_code = 400 if error.status == 422 else error.status
    return response


class ExampleError(Schema):
    """The error of a token request."""

    error = String(40)
    error_description = String(200)


@dataclass(frozen=True)
class TokenRequestForm:
    """The form `TokenRequest`."""

    grant_type: str


class TokenRequest(Form):
    """The grant type only."""

    form_type = TokenRequestForm

    grant_type = String(20, required=True)


def fail(grant_type):
    """Raise the error that the grant type asks for."""
    if grant_type == "client":
        raise TokenMissing
    if grant_type == "database":
        db.session.execute(text("SELECT secret FROM nowhere"))
    if grant_type == "unexpected":
        raise RuntimeError("secret detail")


@pytest.fixture
def oauth(app):
    """Return an application with a blueprint that takes forms and answers as RFC 6749 says."""
    oauth_format = ErrorFormat("application/json", "ExampleError", render_oauth_error)
    blueprint = Blueprint(
        "example", __name__, url_prefix="/oauth", error_format=oauth_format, body_format=FORM
    )

    @blueprint.post("/token")
    @blueprint.arguments(TokenRequest)
    @blueprint.errors(TokenMissing)
    def issue_token(form):
        fail(form.grant_type)
        return {"granted": form.grant_type}

    app.extensions["flask-smorest"]["apis"][""]["ext_obj"].register_blueprint(blueprint)
    return app


def send(client, form=None, **request):
    """Send a form; return the status and the error."""
    response = client.post("/oauth/token", data=RIGHT if form is None else form, **request)
    assert response.mimetype == "application/json"
    assert response.json.keys() == {"error", "error_description"}
    assert "secret" not in response.text
    return response.status_code, response.json["error"]


def test_body_format_of_a_blueprint_is_a_form(oauth, client):
    response = client.post("/oauth/token", data=RIGHT)

    assert (response.status_code, response.json) == (200, {"granted": "x"})


def test_error_format_of_a_blueprint_renders_every_kind_of_error(oauth, client):
    assert send(client, {"grant_type": "client"}) == (401, "invalid_client")
    assert send(client, {"grant_type": "database"}) == (503, "temporarily_unavailable")
    assert send(client, {"grant_type": "unexpected"}) == (500, "server_error")
    assert send(client, {}) == (400, "invalid_request")
    assert send(client, RIGHT | {"unknown": "x"}) == (400, "invalid_request")
    assert send(client, {"grant_type": ["x", "y"]}) == (400, "invalid_request")
    assert send(client, {"grant_type": "x" * 70_000}) == (413, "invalid_request")
    assert send(client, "{}", content_type="application/json") == (415, "invalid_request")
    assert send(client, headers={"Host": ""}) == (400, "invalid_request")
    assert send(client, headers={"Origin": "https://evil.example"}) == (403, "invalid_request")


def test_error_format_keeps_the_headers_of_errors(oauth, client):
    rejected = client.post("/oauth/token", data={"grant_type": "client"})
    wrong_method = client.get("/oauth/token")

    assert rejected.headers["WWW-Authenticate"].startswith("Bearer")
    assert "POST" in wrong_method.headers["Allow"]


def test_error_format_is_chosen_by_prefix_where_no_route_matches(oauth, client):
    wrong_method, unknown = client.get("/oauth/token"), client.get("/oauth/nowhere")
    others = [client.get("/oauthorities"), client.get("/nowhere"), client.get("/auth/login")]

    assert [(r.status_code, r.json["error"]) for r in (wrong_method, unknown)] == [
        (405, "invalid_request"),
        (404, "invalid_request"),
    ]
    assert [read_problem(response) for response in others] == [
        (404, "not_found"),
        (404, "not_found"),
        (405, "method_not_allowed"),
    ]


def test_error_format_renders_errors_that_record_events(oauth, client, app):
    with patch.object(TokenMissing, "event", events.Login.FAILED):
        assert send(client, {"grant_type": "client"}) == (401, "invalid_client")

    assert [event.details for event in audited(app, "login.failed")] == [{"code": "token_missing"}]


def test_formats_of_a_blueprint_are_documented(oauth, client):
    operation = client.get("/openapi.json").json["paths"]["/oauth/token"]["post"]

    reference = {"$ref": "#/components/schemas/ExampleError"}
    assert operation["requestBody"]["content"].keys() == {"application/x-www-form-urlencoded"}
    assert operation["responses"]["401"]["content"] == {"application/json": {"schema": reference}}
