"""The error of an attempt that has to wait."""

from gatehouse.core.errors import ApiError


class TooManyAttempts(ApiError):
    """Too many attempts failed, so this one was not checked; wait for `Retry-After` seconds."""

    status = 429
    code = "too_many_attempts"
    next = "Use a device on which you have signed in before, or wait and try again."

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after
        self.headers = {"Retry-After": str(retry_after)}

    @property
    def members(self) -> dict[str, int | str]:
        """Add the seconds to wait."""
        return super().members | {"retry_after": self.retry_after}
