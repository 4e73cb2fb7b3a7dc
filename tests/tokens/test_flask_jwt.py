"""Flask-JWT-Extended issues our tokens, and verifies none."""

import pytest
from flask_jwt_extended import jwt_required


@pytest.fixture
def probe(app):
    """Add a route with the decorator of the extension."""

    @app.get("/probe")
    @jwt_required()
    def protected():
        return {}


@pytest.mark.alters_the_application
def test_extension_accepts_no_token(probe, client, tokens):
    for token in (tokens["access_token"], tokens["refresh_token"], "x"):
        assert client.as_(token).get("/probe").status_code >= 400

    assert client.get("/probe").status_code >= 400
