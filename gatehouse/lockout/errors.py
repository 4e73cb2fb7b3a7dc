"""The errors of an attempt that was not evaluated."""

from gatehouse.core.errors import ApiError


class TooManyAttempts(ApiError):
    """Too many attempts failed, so this one was not checked; wait for `Retry-After` seconds."""

    status = 429
    code = "too_many_attempts"
    next = "Use a device on which you have signed in before, or wait and try again."

    def __init__(self, retry_after: int | None) -> None:
        super().__init__()
        self.retry_after = retry_after
        self.headers = {"Retry-After": str(retry_after)} if retry_after else {}

    @property
    def members(self) -> dict[str, int | str]:
        """Add the seconds to wait, if waiting helps."""
        waits = {"retry_after": self.retry_after} if self.retry_after else {}
        return super().members | waits


class PasswordLocked(TooManyAttempts):
    """Too many passwords were wrong, so this one was not checked; waiting does not help.

    Unknown identifiers get the same.
    """

    next = (
        "Use a device on which you have signed in before, reset your password by e-mail,"
        " or contact the operator of this service."
    )

    def __init__(self) -> None:
        super().__init__(None)


class FactorLocked(TooManyAttempts):
    """Too many second factors were wrong, so this one was not checked; waiting does not help."""

    next = (
        "Use a device on which you have signed in before, or contact the operator of this service."
    )

    def __init__(self) -> None:
        super().__init__(None)
