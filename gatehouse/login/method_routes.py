"""Routes of the login methods: each plugin of `login/methods/` states its own."""

from gatehouse.hooks.errors import LoginDenied
from gatehouse.lockout.errors import TooManyAttempts
from gatehouse.login import service as login
from gatehouse.login.account_checks import AccountDisabled, EmailUnverified
from gatehouse.login.method import LoginAttempt, LoginForm, LoginMethod
from gatehouse.login.risk import LoginRejected
from gatehouse.login.service import LoginAnswer
from gatehouse.mfa.errors import MfaEnrolmentOverdue
from gatehouse.passwords.errors import InvalidCredentials
from gatehouse.sessions.token_response import session_to_replace, token_response
from gatehouse.web.openapi import Blueprint
from gatehouse.web.openapi_operations import accepts_device_token
from gatehouse.web.rate_limits import rate_limit
from gatehouse.web.request_context import request_context
from schemas import LoginResponse

ERRORS = (
    *(InvalidCredentials, TooManyAttempts, AccountDisabled, EmailUnverified),
    *(LoginRejected, MfaEnrolmentOverdue),
)
"""The documented errors of a method that states none."""


def add_login_routes(blueprint: Blueprint) -> None:
    """Add the routes of the methods that belong to a blueprint."""
    for name, method in sorted(login.METHODS.items(), key=lambda item: item[1].route.path):
        if method.route.blueprint == blueprint.name:
            _add_login_route(blueprint, name, method)


def _add_login_route(blueprint: Blueprint, name: str, method: LoginMethod[object]) -> None:
    route = method.route

    def log_in(form: LoginForm) -> object:
        context, replaced = request_context(), session_to_replace(form.transport)
        attempt = LoginAttempt(form, context, form.transport, replaced)
        return respond(login.log_in(name, attempt))

    log_in.__name__ = route.operation_id or f"log_in_with_{name}"
    log_in.__doc__ = route.summary
    view = blueprint.errors(*route.errors or ERRORS, LoginDenied)(log_in)
    view = blueprint.response(200, LoginResponse)(view)
    view = blueprint.arguments(method.schema)(accepts_device_token(view))
    view = rate_limit(route.rate_limit)(view)
    blueprint.post(route.path or f"/login/{name}")(view)


def respond(answer: LoginAnswer) -> object:
    """Return the response to a step of a login: a challenge, or tokens in the body or cookies."""
    return token_response(answer.result, answer.transport, request_context())
