"""Formats of error responses: a blueprint states its own, and problem documents are the default."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Response, current_app, jsonify, request
from flask.sansio.blueprints import Blueprint

import config
from gatehouse.core.errors import ApiError, problem_document
from gatehouse.core.log import request_id


@dataclass(frozen=True)
class ErrorFormat:
    """How the errors of a blueprint are sent."""

    media_type: str
    schema: str
    """The schema's name in the OpenAPI document."""
    render: Callable[[ApiError], Response]
    """Returns the status and body; `media_type` and the error's headers are added."""


def _render_problem(error: ApiError) -> Response:
    response = jsonify(problem_document(error, config.settings().public_url, request_id()))
    response.status_code = error.status
    return response


PROBLEM = ErrorFormat("application/problem+json", "Problem", _render_problem)
"""Problem documents (RFC 9457)."""


def error_response(error: ApiError, headers: Mapping[str, str]) -> Response:
    """Return an error in the format of the blueprint that the request belongs to."""
    error_format = _current_format()
    response = error_format.render(error)
    response.mimetype = error_format.media_type
    response.headers.extend(headers)
    return response


def _current_format() -> ErrorFormat:
    """Return the format of the route's blueprint; without a route, of the longest URL prefix."""
    blueprints = current_app.blueprints
    if request.blueprint:
        return _format_of(blueprints[request.blueprint])
    formats = {found.url_prefix: _format_of(found) for found in blueprints.values()}
    matching = [prefix for prefix in formats if prefix and _is_below(request.path, prefix)]
    return formats[max(matching, key=len)] if matching else PROBLEM


def _format_of(blueprint: Blueprint) -> ErrorFormat:
    error_format: ErrorFormat = getattr(blueprint, "error_format", PROBLEM)
    return error_format


def _is_below(path: str, prefix: str) -> bool:
    return f"{path}/".startswith(f"{prefix}/")
