"""API errors: a class for each error code, with everything that a client needs.

`operations.error_handlers` turns them into `application/problem+json` (RFC 9457).
`docs/errors.md` is generated from the classes: the docstring's first paragraph is the `detail`.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, NoReturn

BEARER_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="gatehouse"'}


class ApiError(Exception):
    """The request was rejected."""

    status: ClassVar[int] = 400
    code: ClassVar[str]
    next: str | None = None
    """What the client can do now; an instance may know it better than its class."""
    event: ClassVar[Any] = None
    """The audit event (from `gatehouse.audit.events`) to record after the rollback."""
    headers: Mapping[str, str] = {}
    on_rollback: Callable[[], object] | None = None
    """Called after the rollback, in a new transaction that is committed."""

    def __init__(self, detail: str | None = None, **event_data: Any) -> None:
        super().__init__(detail or default_detail(type(self)))
        self.event_data = event_data
        """Data of the audit event, such as the user's id; never sent to the client."""

    @property
    def members(self) -> dict[str, Any]:
        """Additional members of the problem document."""
        return {"next": self.next} if self.next else {}


def default_detail(error_type: type[ApiError]) -> str:
    """Return the first paragraph of an error's docstring in one line."""
    return " ".join((inspect.getdoc(error_type) or "").split("\n\n")[0].split())


def all_errors() -> list[type[ApiError]]:
    """Return every error class that defines a code, sorted by code."""
    return sorted(
        {cls for cls in _all_subclasses(ApiError) if "code" in vars(cls)}, key=lambda cls: cls.code
    )


def _all_subclasses(error_type: type[ApiError]) -> Iterator[type[ApiError]]:
    for child in error_type.__subclasses__():
        yield child
        yield from _all_subclasses(child)


def problem_document(error: ApiError, public_url: str, request_id: str) -> dict[str, object]:
    """Return the problem document of an error (RFC 9457 section 3.1)."""
    return {
        "type": f"{public_url}/errors#{error.code}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
        "request_id": request_id,
    } | error.members


class ValidationFailed(ApiError):
    """Some fields of the request are missing, unknown or invalid; see `errors`."""

    status = 422
    code = "validation_failed"

    def __init__(self, errors: Mapping[str, list[dict[str, str]]]) -> None:
        super().__init__()
        self.errors = errors

    @property
    def members(self) -> dict[str, object]:
        """The errors of each field: `{field: [{code, message}]}`."""
        return {"errors": self.errors}


def reject_field(field: str, code: str, message: str) -> NoReturn:
    """Reject a field of the request.

    Raises:
        ValidationFailed: always, with this error of the field.
    """
    raise ValidationFailed({field: [{"code": code, "message": message}]})


class MalformedJSON(ApiError):
    """The body is not valid JSON: broken, not UTF-8, nested too deep, or with a duplicate key."""

    code = "malformed_json"


class MalformedRequest(ApiError):
    """The request is ambiguous: a header or parameter that may occur only once was sent twice."""

    code = "malformed_request"


class CsrfFailed(ApiError):
    """The request may have been sent by another site, so nothing was changed."""

    status = 403
    code = "csrf_failed"
    next = (
        "Send the token from GET /auth/csrf in X-CSRF-Token, from a page under the public URL "
        "or of an origin in GATEHOUSE_ALLOWED_ORIGINS."
    )


class UnsupportedMediaType(ApiError):
    """The body must be sent as `application/json`."""

    status = 415
    code = "unsupported_media_type"


class UnsupportedEncoding(UnsupportedMediaType):
    """The body must not be compressed: send it without `Content-Encoding`."""

    headers = {"Accept-Encoding": "identity"}  # RFC 9110 section 12.5.3


class PayloadTooLarge(ApiError):
    """The body is larger than 64 KiB."""

    status = 413
    code = "payload_too_large"


class RequestTimeout(ApiError):
    """The body did not arrive within ten seconds."""

    status = 408
    code = "request_timeout"
    next = "Send the request again."
    headers = {"Connection": "close"}  # RFC 9110 section 15.5.9


class NotFound(ApiError):
    """This does not exist, or you have no access to it."""

    status = 404
    code = "not_found"


class PreconditionFailed(ApiError):
    """This has changed since you read it, so nothing was changed."""

    status = 412
    code = "precondition_failed"
    next = "Read it again, decide again, and send its current `ETag` in `If-Match`."


class PreconditionRequired(ApiError):
    """This change needs the version that you have seen, so that it overwrites no other change."""

    status = 428
    code = "precondition_required"
    next = "Read it, and send its `ETag` in `If-Match`."


class MethodNotAllowed(ApiError):
    """This URL does not support the method; `Allow` lists the methods that it supports."""

    status = 405
    code = "method_not_allowed"


class RateLimited(ApiError):
    """There were too many requests; wait for the seconds in `Retry-After`."""

    status = 429
    code = "rate_limited"
    next = "Wait, then send the request again."

    def __init__(self, policy: str, quota: int, window: int, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after
        self.headers = {
            "Retry-After": str(retry_after),
            # draft-ietf-httpapi-ratelimit-headers, sections 3 and 4
            "RateLimit-Policy": f'"{policy}";q={quota};w={window}',
            "RateLimit": f'"{policy}";r=0;t={retry_after}',
        }

    @property
    def members(self) -> dict[str, object]:
        """`retry_after`: the seconds to wait."""
        return super().members | {"retry_after": self.retry_after}


class ServiceUnavailable(ApiError):
    """The service cannot answer right now; nothing was changed."""

    status = 503
    code = "service_unavailable"
    next = "Send the request again in a moment."
    headers = {"Retry-After": "1"}


class ServiceBusy(ApiError):
    """Too many passwords are being checked right now; yours was not checked."""

    status = 503
    code = "service_busy"
    next = "Wait for the seconds in `Retry-After`, then send the request again."
    headers = {"Retry-After": "5"}

    @property
    def members(self) -> dict[str, object]:
        """`retry_after`: the seconds to wait."""
        return super().members | {"retry_after": int(self.headers["Retry-After"])}


class InternalError(ApiError):
    """Something went wrong on our side; quote the `request_id` when you report it."""

    status = 500
    code = "internal_error"
