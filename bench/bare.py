"""The least that Flask can do: the measure of the service's own routes."""

from flask import Flask, Response, jsonify

from gatehouse.web.rsgi import Bridge

THREADS = 16


def create_bridge() -> Bridge:
    """Return the application as the server of the service runs it."""
    return Bridge(create_app(), THREADS)


def create_app() -> Flask:
    """Return an application with one route that answers a little JSON."""
    app = Flask("bare")

    @app.get("/bare")
    def bare() -> Response:
        return jsonify(status="alive")

    return app
