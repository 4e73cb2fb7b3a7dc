"""A Flask application with one trivial route, to which the service's routes are compared."""

from flask import Flask, Response, jsonify

from gatehouse.web.rsgi import RsgiAdapter

THREADS = 16


def create_rsgi_app() -> RsgiAdapter:
    """Return the application as granian runs it."""
    return RsgiAdapter(create_app(), THREADS)


def create_app() -> Flask:
    """Return an application with one route that returns a short JSON document."""
    app = Flask("bare")

    @app.get("/bare")
    def bare() -> Response:
        return jsonify(status="alive")

    return app
