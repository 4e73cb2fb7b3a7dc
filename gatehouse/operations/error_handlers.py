"""Error handlers: roll back, run the error's follow-up, write its audit event, return the error.

The blueprint of a request chooses the format of its errors (see `gatehouse.web.error_formats`); no
error response contains internal details.
"""

from flask import Flask, Response
from flask_limiter import RateLimitExceeded
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from gatehouse.audit.error_follow_up import follow_up
from gatehouse.core import errors
from gatehouse.core.errors import ApiError, InternalError, ServiceUnavailable
from gatehouse.core.log import logger
from gatehouse.database import refunds
from gatehouse.database.session import db
from gatehouse.operations.write_check import (
    WritesUnavailable,
    is_rejected_write,
    record_rejected_write,
)
from gatehouse.web import rate_limits
from gatehouse.web.error_formats import error_response
from gatehouse.web.fields import format_field_errors

ERRORS_BY_STATUS: dict[int, type[ApiError]] = {
    400: errors.MalformedRequest,
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.PayloadTooLarge,
    415: errors.UnsupportedMediaType,
    500: errors.InternalError,
    503: errors.ServiceUnavailable,
}


def register_error_handlers(app: Flask) -> None:
    """Handle every error of an application."""
    app.register_error_handler(ApiError, handle_api_error)
    app.register_error_handler(HTTPException, handle_http_exception)
    app.register_error_handler(SQLAlchemyError, handle_db_error)
    app.register_error_handler(Exception, handle_unexpected)


def handle_api_error(error: ApiError) -> Response:
    """Roll back the request, run the error's follow-up and return its response."""
    if error.status != 503:
        refunds.keep_attempts()
    try:
        db.session.rollback()
        follow_up(error)
    except SQLAlchemyError as db_error:
        return handle_db_error(db_error)
    return error_response(error, error.headers)


def handle_http_exception(error: HTTPException) -> Response:
    """Handle exceptions of Flask, Werkzeug, the schema validation and the rate limits."""
    data = getattr(error, "data", None) or {}
    if "messages" in data:
        messages = data["messages"]
        sources = messages.values() if isinstance(messages, dict) else [messages]
        invalid = errors.ValidationFailed(format_field_errors(next(iter(sources))))
        return error_response(invalid, {})
    if isinstance(error, RateLimitExceeded):
        return handle_api_error(rate_limits.rate_limited_error())
    error_class = ERRORS_BY_STATUS.get(error.code or 500, errors.MalformedRequest)
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return error_response(error_class(), headers)


def handle_db_error(error: SQLAlchemyError) -> Response:
    """Return 503 when the database is unreachable, busy or read-only, otherwise 500."""
    db.session.rollback()
    reason = str(getattr(error, "orig", error)).partition("\n")[0]
    if is_rejected_write(error):
        record_rejected_write(reason)
        return error_response(WritesUnavailable(), WritesUnavailable.headers)
    is_broken = isinstance(error, DBAPIError) and error.connection_invalidated
    if not (is_broken or isinstance(error, PoolTimeout | OperationalError | InterfaceError)):
        return handle_unexpected(error)
    logger().error("The database cannot be reached.", reason=reason)
    return error_response(ServiceUnavailable(), ServiceUnavailable.headers)


def handle_unexpected(error: Exception) -> Response:
    """Return 500 without details; the traceback is in the log."""
    db.session.rollback()
    logger().error("unexpected error", exc_info=error)
    return error_response(InternalError(), {})
