"""Structured logs: one line per event on standard error, with the request id.

The lines are JSON, or readable ones in a developer's terminal.

Values whose names match `SECRET_NAME` are redacted.
"""

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from flask import Response, has_request_context, request

from gatehouse.core import clock

SECRET_NAME = re.compile(
    r"password|passwd|token|secret|code|cookie|authorization|pepper|digest", re.I
)
UNLOGGED_PATHS = ("/gateway/verify", "/health/", "/metrics")
"""Requested so often that their lines would hide the others."""

JSON_RENDERER = structlog.processors.JSONRenderer()
JSON, CONSOLE = "json", "console"

EventDict = MutableMapping[str, object]


def logger() -> Any:
    """Return the logger of the service."""
    return structlog.get_logger()


def redact_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Redact every value whose name matches `SECRET_NAME`."""
    for name in event:
        if SECRET_NAME.search(name):
            event[name] = "[redacted]"
    return event


def add_request_id(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Add the request id, if there is a request."""
    if has_request_context():
        event["request_id"] = request_id()
    return event


def add_logger_name(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Add the logger `gatehouse`, unless a library wrote the line."""
    event.setdefault("logger", "gatehouse")
    return event


SHARED_PROCESSORS: tuple[Any, ...] = (
    add_logger_name,
    add_request_id,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    redact_secrets,
)


def render_console(_logger: object, _method: str, event: EventDict) -> str:
    """Render an event for people: time, level, message, and its values in JSON.

    No value can begin a line of its own; only a traceback has several.
    """
    time, level = str(event.pop("timestamp"))[11:19], str(event.pop("level")).upper()
    message, exception = (
        json.dumps(str(event.pop("event")))[1:-1],
        event.pop("exception", ""),
    )
    event.pop("request_id", None)
    if event.get("logger") == "gatehouse":
        del event["logger"]
    values = "".join(f"  {name}={json.dumps(value, default=str)}" for name, value in event.items())
    lines = "".join(f"\n    {line}" for line in str(exception).splitlines())
    return f"{time} {level:<8}{message}{values}{lines}"


def choose_format(is_development: bool) -> str:
    """Return the format of logs if no setting chooses it: for people in a developer's terminal."""
    return CONSOLE if is_development and sys.stderr.isatty() else JSON


def configure_logging(log_format: str = JSON) -> None:
    """Render all logs of this process in one format, those of libraries included.

    Our own lines bypass `logging`: that costs a third of the time per request.
    """
    renderer: Any = render_console if log_format == CONSOLE else JSON_RENDERER
    structlog.configure(
        processors=[*SHARED_PROCESSORS, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=(structlog.stdlib.add_logger_name, *SHARED_PROCESSORS),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(formatter)
    logging.basicConfig(handlers=[output], level=logging.INFO, force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def log_response(response: Response) -> Response:
    """Log a response: method, route, status and milliseconds; never the query string."""
    if not request.path.startswith(UNLOGGED_PATHS):
        seconds = clock.monotonic() - request.environ["gatehouse.started"]
        route = request.url_rule.rule if request.url_rule else None
        fields = {"method": request.method, "route": route, "status": response.status_code}
        logger().info("request", **fields, milliseconds=round(seconds * 1000, 1))
    return response


def request_id() -> str:
    """Return the id of the current request (set by `web.middleware`)."""
    return str(request.environ["gatehouse.request_id"])
