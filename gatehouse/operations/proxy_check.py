"""What `flask doctor` asks a running service. For everybody else there is nothing here."""

from flask import Blueprint, Response, jsonify, request

from gatehouse.web import proxy_check_token
from gatehouse.web.request_context import client_address, connection, hops

doctor = Blueprint("doctor", __name__)
ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
"""All are answered 404, as where nothing is."""


@doctor.route(proxy_check_token.PROXY, methods=ALL, provide_automatic_options=False)
def describe_visitor() -> Response:
    """Answer how the address of this very request was derived."""
    proxy_check_token.require(request.headers.get(proxy_check_token.HEADER, ""))
    peer, chain = connection()
    derived = client_address(peer, chain, hops())
    return jsonify(peer=peer, forwarded_for=chain, hops=hops(), address=derived)
