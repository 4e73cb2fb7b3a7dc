"""Blueprints and the OpenAPI document: one declaration validates requests and documents them.

A thin typed layer over flask-smorest: `arguments` validates the JSON body, `response` documents and
serializes the response, and `errors` lists the errors that a route can return.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

import flask_smorest
from apispec import APISpec
from flask import Flask, Request, Response, current_app, jsonify, request
from marshmallow import RAISE, Schema, missing
from webargs.flaskparser import FlaskParser

from gatehouse.core.errors import (
    ApiError,
    MalformedJSON,
    MalformedRequest,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    reject_field,
)
from gatehouse.database.session import commits
from gatehouse.web.error_formats import PROBLEM, ErrorFormat
from gatehouse.web.openapi_operations import (
    HEADER_PARAMETERS,
    SECURITY_SCHEMES,
    describe_operation,
    header_parameters,
)
from gatehouse.web.openapi_schemas import SchemaPlugin
from gatehouse.web.request_validation import accepts

Route = TypeVar("Route", bound=Callable[..., object])


class Decorator(Protocol):
    """A decorator of a view function."""

    def __call__(self, route: Route) -> Route:
        """Return the decorated view function."""
        ...


BODY_ERRORS = (MalformedJSON, PayloadTooLarge, UnsupportedMediaType, ValidationFailed)
JSON, FORM = "json", "form"
"""Formats of request bodies, as webargs names them."""
HEADERS = "header_parameters"
"""Where the names of a view's header parameters are kept, beside what flask-smorest keeps."""
MEDIA_TYPES = {JSON: "application/json", FORM: "application/x-www-form-urlencoded"}


class ProblemApi(flask_smorest.Api):  # type: ignore[misc]
    """The OpenAPI document; each route lists its errors itself, so there is no default error.

    It is generated at its first request: that takes longer than the rest of the start-up.
    """

    DEFAULT_ERROR_RESPONSE_NAME = None
    ERROR_SCHEMA = "Problem"

    def __init__(self, app: Flask, **spec_kwargs: object) -> None:
        self._sections: list[Callable[[APISpec], object]] = []
        self._lock = threading.Lock()
        super().__init__(app, spec_kwargs={"marshmallow_plugin": SchemaPlugin(), **spec_kwargs})
        for name, scheme in SECURITY_SCHEMES.items():
            self.spec.components.security_scheme(name, scheme)
        for name, parameter in HEADER_PARAMETERS.items():
            self.spec.components.parameter(name, "header", parameter)

    def register_blueprint(self, blueprint: "Blueprint") -> None:
        """Register a blueprint with Flask and add its routes to the document."""
        self._app.register_blueprint(blueprint)
        self.add_section(lambda spec: blueprint.document_routes(self, self._app, spec))

    def add_section(self, write: Callable[[APISpec], object]) -> None:
        """Add a function that writes to the document when it is generated."""
        self._sections.append(write)

    def document(self) -> dict[str, object]:
        """Return the document; generate it first if necessary."""
        with self._lock:
            while self._sections:
                self._sections.pop(0)(self.spec)
        document: dict[str, object] = self.spec.to_dict()
        return document

    def _openapi_json(self) -> Response:
        return jsonify(self.document())


class StrictParser(FlaskParser):
    """Parses bodies with the application's JSON provider, which is stricter than webargs'."""

    def load_json(self, req: Request, schema: Schema) -> object:
        """Return the parsed body, or `missing` if it is empty.

        Raises:
            MalformedJSON: the body is not strict JSON.
        """
        body = req.get_data(cache=True)
        try:
            return current_app.json.loads(body) if body else missing
        except ValueError:
            raise MalformedJSON from None

    def load_form(self, req: Request, schema: Schema) -> object:
        """Return the fields of a form.

        Raises:
            MalformedRequest: a field was sent twice (RFC 6749 section 3.2).
        """
        if any(len(values) > 1 for _, values in req.form.lists()):
            raise MalformedRequest("A form field was sent twice.")
        return super().load_form(req, schema)


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A Flask blueprint whose routes are validated and documented.

    It states the format of its request bodies and of its errors.
    """

    ARGUMENTS_PARSER = StrictParser()

    def __init__(
        self,
        *arguments: object,
        body_format: str = JSON,
        error_format: ErrorFormat = PROBLEM,
        **options: object,
    ) -> None:
        super().__init__(*arguments, **options)
        self.body_format, self.error_format = body_format, error_format
        self._prepare_doc_cbks.append(_add_header_parameters)

    def document_routes(self, api: ProblemApi, app: Flask, spec: APISpec) -> None:
        """Add the routes to the OpenAPI document."""
        self.register_views_in_doc(api, app, spec, name=self.name, parameters=None)
        if self.tag not in {tag["name"] for tag in spec.to_dict().get("tags", ())}:
            spec.tag({"name": self.tag, "description": self.description})

    @property
    def tag(self) -> str:
        """The tag of the routes in the document: the package that they belong to."""
        package: str = self.import_name.removeprefix("gatehouse.").partition(".")[0]
        return package.removesuffix("_routes")

    def arguments(self, schema: type[Schema] | Schema, **options: object) -> Decorator:
        """Validate the body, or another `location`, and pass it as the last argument."""
        defaults = {"location": self.body_format, "unknown": RAISE, "error_status_code": 422}
        instance = schema() if isinstance(schema, type) else schema  # once, not per request
        decorate = super().arguments(instance, **defaults | options)
        has_required_body = options.keys().isdisjoint({"location", "required"})

        def decorate_route(route: Route) -> Route:
            validated: Route = decorate(_require_body(route) if has_required_body else route)
            return _with_errors(validated, BODY_ERRORS)

        return decorate_route

    def response(
        self, status: int, schema: type[Schema] | Schema | None = None, **options: object
    ) -> Decorator:
        """Document the response and serialize it with the schema."""
        decorate: Decorator = super().response(status, schema, **options)
        return decorate

    def doc(self, **options: object) -> Decorator:
        """Add other members to the operation's documentation."""
        decorate: Decorator = super().doc(**options)
        return decorate

    def errors(self, *error_types: type[ApiError]) -> Decorator:
        """Document the errors of a route."""
        return lambda route: _with_errors(route, error_types)

    def get(self, rule: str) -> Decorator:
        """Register a route for GET."""
        return self._register_route(rule, "GET")

    def post(self, rule: str) -> Decorator:
        """Register a route for POST."""
        return self._register_route(rule, "POST")

    def put(self, rule: str) -> Decorator:
        """Register a route for PUT."""
        return self._register_route(rule, "PUT")

    def patch(self, rule: str) -> Decorator:
        """Register a route for PATCH."""
        return self._register_route(rule, "PATCH")

    def delete(self, rule: str) -> Decorator:
        """Register a route for DELETE."""
        return self._register_route(rule, "DELETE")

    def _register_route(self, rule: str, method: str) -> Decorator:
        """Register a route that commits when it succeeds; document it from its decorators."""

        def register(route: Route) -> Route:
            if self.body_format != JSON:
                accepts(MEDIA_TYPES[self.body_format])(route)
            view = route if hasattr(route, "non_blocking") else commits(route)
            description = describe_operation(route, method, self.error_format)
            documented = self.doc(**description)(view)
            documented._apidoc[HEADERS] = header_parameters(route, method)  # type: ignore[attr-defined]
            self.route(rule, methods=[method], tags=[self.tag])(documented)
            return route

        return register


def _add_header_parameters(
    document: dict[str, Any], stored: dict[str, Any], **_options: Any
) -> dict[str, object]:
    """Add the headers of a route to the parameters that its `arguments` made."""
    parameters = [*document.get("parameters", ()), *stored.get(HEADERS, ())]
    return {**document, "parameters": parameters} if parameters else document


def _require_body(route: Route) -> Route:
    """Reject an empty body for which every field has a default."""

    @wraps(route)
    def wrapper(*args: object, **kwargs: object) -> object:
        if request.environ.get("CONTENT_LENGTH", "0") == "0":  # set when the body was read
            reject_field("body", "required", "Send a body.")
        return route(*args, **kwargs)

    return cast("Route", wrapper)


def _with_errors(route: Route, error_types: tuple[type[ApiError], ...]) -> Route:
    route.error_types = (*getattr(route, "error_types", ()), *error_types)  # type: ignore[attr-defined]
    return route
