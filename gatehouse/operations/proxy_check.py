"""Endpoint that `gatehouse doctor` calls; without its token it responds like an unknown path."""

from flask import Blueprint, Response, jsonify, request

from gatehouse.web import proxy_check_token
from gatehouse.web.request_context import client_ip_address, peer_and_forwarded_for, trusted_hops

proxy_check = Blueprint("proxy_check", __name__)
ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
"""Each of them returns 404 without a valid token, like an unknown path."""


@proxy_check.route(
    proxy_check_token.PROXY_CHECK_PATH, methods=ALL_METHODS, provide_automatic_options=False
)
def show_derived_ip_address() -> Response:
    """Return how the client IP address of this request was derived."""
    proxy_check_token.verify(request.headers.get(proxy_check_token.TOKEN_HEADER, ""))
    peer, chain = peer_and_forwarded_for()
    derived = client_ip_address(peer, chain, trusted_hops())
    return jsonify(peer=peer, forwarded_for=chain, hops=trusted_hops(), address=derived)
