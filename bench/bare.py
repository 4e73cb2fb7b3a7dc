"""A Flask application with one trivial route, to which the service's routes are compared.

`python -m bench.bare` serves it as `gatehouse serve` serves the service, with the same settings.
"""

from flask import Flask, Response, jsonify

import config
from gatehouse.cli.listening_socket import bind_socket
from gatehouse.cli.server import Server, server_options
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


def serve() -> None:
    """Serve the application until SIGTERM."""
    settings = config.read_environment()
    options = server_options(settings) | {"target": "bench.bare:create_rsgi_app"}
    Server(bind_socket(settings.host, settings.port), options).serve()


if __name__ == "__main__":
    serve()
