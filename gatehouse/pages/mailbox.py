"""The developer mailbox: what was mailed and texted. Registered in development only."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from gatehouse.delivery import outbox
from gatehouse.foundation import clock
from gatehouse.foundation.database import db, writing
from gatehouse.pages.policy import guard

mailbox = Blueprint("mailbox", __name__)
guard(mailbox)


@mailbox.get("/dev/mailbox")
def read() -> Response:
    """List the messages, newest first: a page for browsers, JSON for everyone else.

    `?to=` keeps the messages to that bare address, in any case.
    """
    to = request.args.get("to")
    items = outbox.read(to)
    response = _page(items, to) if _asks_for_a_page() else jsonify(items=[*map(_entry, items)])
    response.vary.add("Accept")
    return response


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


def _page(items: list[dict[str, Any]], to: str | None) -> Response:
    return make_response(render_template("pages/mailbox.html", items=items, to=to))


def _entry(item: Mapping[str, Any]) -> dict[str, Any]:
    """Write the time as RFC 3339 in UTC with a Z."""
    return {**item, "created_at": clock.rfc3339(item["created_at"])}
