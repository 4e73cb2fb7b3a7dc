"""Errors of hooks."""

from gatehouse.audit import events
from gatehouse.core.errors import ApiError

TRY_LATER = "Try again in a few minutes, or contact the operator of this service."
"""What a client can do if a hook did not answer."""


class HookExists(ApiError):
    """There is a hook of this name."""

    status = 409
    code = "hook_exists"
    next = "Choose another name."


class TooManyHooks(ApiError):
    """There are as many hooks as possible."""

    status = 409
    code = "too_many_hooks"
    next = "Delete a hook that is not needed any more."


class HookDenial(ApiError):
    """A rule of the operator does not allow this; the detail may be the operator's."""

    status = 403
    next = "If you think that this is a mistake, contact the operator of this service."
    reason: str | None = None
    """The code of the hook that denied."""

    @property
    def members(self) -> dict[str, object]:
        """`reason`: the operator's code, if there is one."""
        return super().members | ({"reason": self.reason} if self.reason else {})


class RegistrationDenied(HookDenial):
    """This sign-up is not allowed here; no account was created."""

    code = "registration_denied"


class LoginDenied(HookDenial):
    """This sign-in is not allowed here, although you are who you say you are."""

    code = "login_denied"
    event = events.Login.REFUSED


class NotAWebhook(ApiError):
    """This hook is asked before something happens: no events are delivered to it."""

    status = 409
    code = "not_a_webhook"
    next = "Choose a hook of the kind webhook."
