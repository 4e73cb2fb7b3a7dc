"""OpenAPI from the same declarations that validate: routes that state their contract.

A thin typed layer over flask-smorest: `arguments` validates the JSON body, `response` documents the
answer, and `refuses` names the refusals a route can give.
"""

import threading
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, Protocol, TypeVar

import flask_smorest
from apispec import APISpec
from flask import Flask, Request, Response, current_app, jsonify
from marshmallow import RAISE, Schema, missing
from webargs.flaskparser import FlaskParser

from gatehouse.core.errors import (
    CsrfFailed,
    MalformedJSON,
    MalformedRequest,
    PayloadTooLarge,
    RateLimited,
    Refusal,
    ServiceUnavailable,
    UnsupportedMediaType,
    ValidationFailed,
    explanation,
)
from gatehouse.web import cookies

Route = TypeVar("Route", bound=Callable[..., Any])


class Decorator(Protocol):
    """Says something about a route."""

    def __call__(self, route: Route) -> Route:
        """Return the route, with that said."""
        ...


BODY = (MalformedJSON, PayloadTooLarge, UnsupportedMediaType, ValidationFailed)
PROBLEM = "application/problem+json"
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": cookies.ACCESS,
        "description": "A write also needs `X-CSRF-Token`: the answer of GET /auth/csrf.",
    },
}
"""How a request says whose it is; with a bearer token, cookies are not looked at."""
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "1 to 64 visible ASCII characters, new for each new request: the same request"
    " with the same key acts once in 24 hours, and is answered the same again.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,64}$"},
}
"""Of routes that are marked so (see `delivery.idempotency`)."""


class ProblemApi(flask_smorest.Api):  # type: ignore[misc]
    """The OpenAPI document; each route names its refusals itself, so there is no default error.

    It is written when somebody first asks for it: that takes longer than all the rest of a start.
    """

    DEFAULT_ERROR_RESPONSE_NAME = None
    ERROR_SCHEMA = "Problem"

    def __init__(self, app: Flask, **about: Any) -> None:
        self._chapters: list[Callable[[APISpec], object]] = []
        self._pen = threading.Lock()
        super().__init__(app, spec_kwargs=about)

    def register_blueprint(self, blueprint: "Blueprint") -> None:
        """Let a blueprint answer, and let its routes stand in the document."""
        self._app.register_blueprint(blueprint)
        self.add_chapter(lambda spec: blueprint.describe(self, self._app, spec))

    def add_chapter(self, write: Callable[[APISpec], object]) -> None:
        """Let something else stand in the document."""
        self._chapters.append(write)

    def document(self) -> dict[str, Any]:
        """Return the whole document."""
        with self._pen:
            while self._chapters:
                self._chapters.pop(0)(self.spec)
        written: dict[str, Any] = self.spec.to_dict()
        return written

    def _openapi_json(self) -> Response:
        return jsonify(self.document())


class StrictParser(FlaskParser):
    """Reads bodies with the application's JSON, which is stricter than webargs' own."""

    def load_json(self, req: Request, schema: Schema) -> Any:
        """Return the body, or that it is missing.

        Raises:
            MalformedJSON: it is not strict JSON.
        """
        body = req.get_data(cache=True)
        try:
            return current_app.json.loads(body) if body else missing
        except ValueError:
            raise MalformedJSON from None


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]
    """A front desk whose routes are validated and documented."""

    ARGUMENTS_PARSER = StrictParser()

    def describe(self, api: ProblemApi, app: Flask, spec: APISpec) -> None:
        """Write down what the routes declare."""
        self.register_views_in_doc(api, app, spec, name=self.name, parameters=None)
        spec.tag({"name": self.name, "description": self.description})

    def arguments(self, schema: type[Schema] | Schema, **options: Any) -> Decorator:
        """Validate the body, or another `location`, and pass it on as the last argument."""
        options = {"error_status_code": 422, "unknown": RAISE} | options
        made = schema() if isinstance(schema, type) else schema  # once, and not for each request
        decorate = super().arguments(made, **options)

        def mark(route: Route) -> Route:
            validated: Route = decorate(route)
            return _refusing(validated, BODY)

        return mark

    def response(
        self, status: int, schema: type[Schema] | Schema | None = None, **options: Any
    ) -> Decorator:
        """Document the answer, and write it with the schema."""
        decorate: Decorator = super().response(status, schema, **options)
        return decorate

    def doc(self, **about: Any) -> Decorator:
        """Document what the other declarations do not say."""
        decorate: Decorator = super().doc(**about)
        return decorate

    def refuses(self, *kinds: type[Refusal]) -> Decorator:
        """Document the refusals of a route."""
        return lambda route: _refusing(route, kinds)

    def get(self, rule: str) -> Decorator:
        """Answer GET."""
        return self._answer(rule, "GET")

    def post(self, rule: str) -> Decorator:
        """Answer POST."""
        return self._answer(rule, "POST")

    def patch(self, rule: str) -> Decorator:
        """Answer PATCH."""
        return self._answer(rule, "PATCH")

    def delete(self, rule: str) -> Decorator:
        """Answer DELETE."""
        return self._answer(rule, "DELETE")

    def _answer(self, rule: str, method: str) -> Decorator:
        """Register a route with everything that was said about it."""

        def register(route: Route) -> Route:
            kinds_by_status = _by_status(route, method != "GET")
            said = {str(status): documentation(kinds) for status, kinds in kinds_by_status}
            names = {"operationId": route.__name__, "security": _security(route)}
            if hasattr(route, "idempotent"):
                names["parameters"] = [IDEMPOTENCY_KEY]
            documented = self.doc(responses=said, **names)(route)
            self.route(rule, methods=[method])(documented)
            return route

        return register


def _refusing(route: Route, kinds: tuple[type[Refusal], ...]) -> Route:
    route.refusals = (*getattr(route, "refusals", ()), *kinds)  # type: ignore[attr-defined]
    return route


def _security(route: Any) -> list[dict[str, list[str]]]:
    return [{name: []} for name in SCHEMES] if hasattr(route, "guarded") else []


def _by_status(route: Any, writes: bool) -> list[tuple[int, list[type[Refusal]]]]:
    kinds = {*getattr(route, "refusals", ()), MalformedRequest, ServiceUnavailable}
    kinds |= {CsrfFailed} if writes else set()
    kinds |= {RateLimited} if hasattr(route, "limit") else set()
    ordered = sorted(kinds, key=lambda kind: (kind.status, kind.code))
    return [(status, list(same)) for status, same in groupby(ordered, lambda kind: kind.status)]


def documentation(kinds: Iterable[type[Refusal]]) -> dict[str, Any]:
    """Return the OpenAPI response of refusals that share a status."""
    text = "\n".join(f"- `{kind.code}`: {explanation(kind)}" for kind in kinds)
    return {"description": text, "content": {PROBLEM: {"schema": "Problem"}}}
