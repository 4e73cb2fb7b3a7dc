"""The developer mailbox: what was mailed and texted. Registered in development only."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any
from uuid import UUID

import segno
from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request

from gatehouse.core import clock
from gatehouse.database.session import db, writing
from gatehouse.messaging import outbox
from gatehouse.pages.security_headers import CSP, guard, nonce

MOST = 100  # messages on the page
WITH_FRAMES = CSP.replace("default-src 'none';", "default-src 'none'; frame-src 'self';")
OF_A_MAIL = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; sandbox"
)
"""A mail is shown as mail programs show it: its own styles, no scripts, no origin."""

mailbox = Blueprint("mailbox", __name__)
guard(mailbox)


@mailbox.get("/dev/mailbox")
def read() -> Response:
    """List the messages, newest first: a page for browsers, JSON for everyone else.

    `?to=` keeps the messages to that bare address, in any case.
    """
    to = request.args.get("to")
    response = _page(to) if _asks_for_a_page() else jsonify(items=[*map(_entry, outbox.read(to))])
    response.vary.add("Accept")
    return response


@mailbox.get("/dev/mailbox/<uuid:message_id>")
def show(message_id: UUID) -> Response:
    """Show the HTML part of a mail, for a frame of the page."""
    response = make_response(_found(message_id)["html"])
    response.headers["Content-Security-Policy"] = OF_A_MAIL
    response.headers["X-Frame-Options"] = "SAMEORIGIN"  # as its policy says
    return response


@mailbox.get("/dev/mailbox/<uuid:message_id>/qr.svg")
def draw(message_id: UUID) -> Response:
    """Draw the link of a mail, so that a phone can open it."""
    link = _found(message_id)["variables"].get("link") or abort(404)
    picture = BytesIO()
    segno.make(str(link), error="l").save(picture, kind="svg", scale=4, light="#ffffff")
    return Response(picture.getvalue(), mimetype="image/svg+xml")


@mailbox.delete("/dev/mailbox")
def empty() -> tuple[str, int]:
    """Forget every message."""
    with writing():
        outbox.clear()
    db.session.commit()
    return "", 204


def _asks_for_a_page() -> bool:
    """Browsers name text/html; curl's `*/*` and API clients get JSON."""
    kinds = ["application/json", "text/html"]
    return request.accept_mimetypes.best_match(kinds) == "text/html"


def _page(to: str | None) -> Response:
    page = render_template("pages/mailbox.html", items=outbox.read(to, MOST), to=to, most=MOST)
    response = make_response(page)
    response.headers["Content-Security-Policy"] = WITH_FRAMES.format(nonce=nonce())
    return response


def _found(message_id: UUID) -> dict[str, Any]:
    return outbox.one(message_id) or abort(404)


def _entry(item: Mapping[str, Any]) -> dict[str, Any]:
    """Write the time as RFC 3339 in UTC with a Z."""
    return {**item, "created_at": clock.rfc3339(item["created_at"])}
