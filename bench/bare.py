"""The least that Flask can do: the measure of the service's own routes."""

from flask import Flask, Response, jsonify


def create_app() -> Flask:
    """Return an application with one route that answers a little JSON."""
    app = Flask("bare")

    @app.get("/bare")
    def bare() -> Response:
        return jsonify(status="alive")

    return app
