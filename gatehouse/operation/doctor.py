"""What `flask doctor` asks a running service. For everybody else there is nothing here."""

from flask import Blueprint, Response, jsonify, request

from gatehouse.foundation import checkup
from gatehouse.foundation.visitor import client_address, connection, hops

doctor = Blueprint("doctor", __name__)
ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
"""All are answered 404, as where nothing is."""


@doctor.route(checkup.PROXY, methods=ALL, provide_automatic_options=False)
def describe_visitor() -> Response:
    """Answer how the address of this very request was derived."""
    checkup.require(request.headers.get(checkup.HEADER, ""))
    peer, chain = connection()
    derived = client_address(peer, chain, hops())
    return jsonify(peer=peer, forwarded_for=chain, hops=hops(), address=derived)
