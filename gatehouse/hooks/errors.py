"""Errors of hooks."""

from gatehouse.core.errors import ApiError


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
