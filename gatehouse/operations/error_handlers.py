"""How errors are answered: one place rolls back, does the aftermath, records, and tells.

Every error leaves as `application/problem+json` (RFC 9457); nothing of the inside ever does.
"""

from typing import Any

from flask import Flask, Response, jsonify
from flask_limiter import RateLimitExceeded
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

import config
from gatehouse.audit.service import record
from gatehouse.core import errors
from gatehouse.core.errors import InternalError, Refusal, ServiceUnavailable
from gatehouse.core.log import log, request_id
from gatehouse.database.session import db, writing
from gatehouse.web import rate_limits
from gatehouse.web.fields import describe
from gatehouse.web.request_context import visitor

BY_STATUS: dict[int, type[Refusal]] = {
    400: errors.MalformedRequest,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
    500: errors.InternalError,
    503: errors.ServiceUnavailable,
}


def register(app: Flask) -> None:
    """Answer all errors of an application."""
    app.register_error_handler(Refusal, refuse)
    app.register_error_handler(HTTPException, translate)
    app.register_error_handler(SQLAlchemyError, lose_the_database)
    app.register_error_handler(Exception, apologise)


def refuse(refusal: Refusal) -> Response:
    """Undo the request, then do and record what the refusal brings with it."""
    try:
        db.session.rollback()
        _follow_up(refusal)
    except SQLAlchemyError as lost:
        return lose_the_database(lost)
    return answer(refusal, refusal.headers)


def _follow_up(refusal: Refusal) -> None:
    """Run the aftermath and record the event, in one transaction."""
    if not (refusal.aftermath or refusal.event):
        return
    with writing():
        if refusal.aftermath:
            refusal.aftermath()
        if refusal.event:
            record(refusal.event, visitor(), **refusal.about, code=refusal.code)
    db.session.commit()


def translate(error: HTTPException) -> Response:
    """Answer what Flask, Werkzeug and the validation raise."""
    found = getattr(error, "data", None) or {}
    if "messages" in found:
        messages = found["messages"]
        sources = messages.values() if isinstance(messages, dict) else [messages]
        invalid = errors.ValidationFailed(describe(next(iter(sources))))
        return answer(invalid, {})
    if isinstance(error, RateLimitExceeded):
        return refuse(rate_limits.refusal())
    kind = BY_STATUS.get(error.code or 500, errors.MalformedRequest)
    kept = {name: value for name, value in error.get_headers() if name == "Allow"}
    return answer(kind(), kept)


def lose_the_database(error: SQLAlchemyError) -> Response:
    """Answer 503 while the database is gone or busy, and 500 for everything else."""
    db.session.rollback()
    if not isinstance(error, PoolTimeout | OperationalError | InterfaceError):
        return apologise(error)
    reason = str(getattr(error, "orig", error)).partition("\n")[0]
    log().error("The database does not answer.", reason=reason)
    return answer(ServiceUnavailable(), ServiceUnavailable.headers)


def apologise(error: Exception) -> Response:
    """Answer 500 without a word about the inside; the log has the trace."""
    db.session.rollback()
    log().error("unexpected error", exc_info=error)
    return answer(InternalError(), {})


def answer(refusal: Refusal, headers: Any) -> Response:
    """Write the problem document."""
    document = errors.problem(refusal, config.settings().public_url, request_id())
    response = jsonify(document)
    response.mimetype = "application/problem+json"
    response.status_code = refusal.status
    response.headers.extend(headers)
    return response
