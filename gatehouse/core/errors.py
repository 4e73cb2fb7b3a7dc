"""Refusals: errors that a person caused, each a class with everything a client needs.

They become `application/problem+json` (RFC 9457) in one place, `operation.answers`.
`docs/errors.md` is generated from the classes: the docstring's first paragraph is the `detail`.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, ClassVar

BEARER = {"WWW-Authenticate": 'Bearer realm="gatehouse"'}


class Refusal(Exception):
    """The request is refused."""

    status: ClassVar[int] = 400
    code: ClassVar[str]
    next: ClassVar[str | None] = None
    """What the client can do now."""
    event: ClassVar[Any] = None
    """The audit event (of `gatehouse.audit.events`) that is recorded after the rollback."""
    headers: Mapping[str, str] = {}
    aftermath: Callable[[], object] | None = None
    """A service call that is run, and committed, after the rollback."""

    def __init__(self, detail: str | None = None, **about: Any) -> None:
        super().__init__(detail or explanation(type(self)))
        self.about = about
        """What the audit event shall say, such as the user's id; never shown to the client."""

    @property
    def members(self) -> dict[str, Any]:
        """Members that this refusal adds to its problem document."""
        return {"next": self.next} if self.next else {}


def explanation(kind: type[Refusal]) -> str:
    """Return the first paragraph of a refusal's docstring in one line."""
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def catalogue() -> list[type[Refusal]]:
    """Return every refusal that has a code of its own, sorted by code."""
    return sorted({k for k in _below(Refusal) if "code" in vars(k)}, key=lambda kind: kind.code)


def _below(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for child in kind.__subclasses__():
        yield child
        yield from _below(child)


def problem(refusal: Refusal, public_url: str, request_id: str) -> dict[str, Any]:
    """Return the problem document of a refusal (RFC 9457 section 3.1)."""
    return {
        "type": f"{public_url}/errors#{refusal.code}",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": str(refusal),
        "code": refusal.code,
        "request_id": request_id,
    } | refusal.members


class ValidationFailed(Refusal):
    """Some fields of the request are missing, unknown or not as they must be; see `errors`."""

    status = 422
    code = "validation_failed"

    def __init__(self, errors: Mapping[str, list[dict[str, str]]]) -> None:
        super().__init__()
        self.errors = errors

    @property
    def members(self) -> dict[str, Any]:
        """The fields and what is wrong with each: `{field: [{code, message}]}`."""
        return {"errors": self.errors}


class MalformedJSON(Refusal):
    """The body is not JSON: broken, not UTF-8, nested too deep, or a key stands in it twice."""

    code = "malformed_json"


class MalformedRequest(Refusal):
    """The request is ambiguous: a header or a parameter that must be single stands in it twice."""

    code = "malformed_request"


class CsrfFailed(Refusal):
    """The request may have been sent by a page of somebody else, so nothing was changed."""

    status = 403
    code = "csrf_failed"
    next = (
        "Send the answer of GET /auth/csrf in X-CSRF-Token, from a page under the public URL "
        "or of an origin in GATEHOUSE_ALLOWED_ORIGINS."
    )


class UnsupportedMediaType(Refusal):
    """The body must be sent as `application/json`."""

    status = 415
    code = "unsupported_media_type"


class PayloadTooLarge(Refusal):
    """The body is larger than 64 KiB."""

    status = 413
    code = "payload_too_large"


class RequestTimeout(Refusal):
    """The body did not arrive within ten seconds."""

    status = 408
    code = "request_timeout"
    next = "Send the request again."
    headers = {"Connection": "close"}  # RFC 9110 section 15.5.9


class NotFound(Refusal):
    """There is nothing here, or nothing that is yours."""

    status = 404
    code = "not_found"


class MethodNotAllowed(Refusal):
    """This address does not answer that method; `Allow` names those it does."""

    status = 405
    code = "method_not_allowed"


class RateLimited(Refusal):
    """There were too many requests; wait as long as `Retry-After` says."""

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
    def members(self) -> dict[str, Any]:
        """The seconds to wait."""
        return super().members | {"retry_after": self.retry_after}


class ServiceUnavailable(Refusal):
    """The service cannot answer right now; nothing was changed."""

    status = 503
    code = "service_unavailable"
    next = "Send the request again in a moment."
    headers = {"Retry-After": "1"}


class ServiceBusy(Refusal):
    """Too many passwords are being checked right now; yours was not looked at."""

    status = 503
    code = "service_busy"
    next = "Send the request again when `Retry-After` has passed."
    headers = {"Retry-After": "5"}

    @property
    def members(self) -> dict[str, Any]:
        """The seconds to wait."""
        return super().members | {"retry_after": int(self.headers["Retry-After"])}


class InternalError(Refusal):
    """Something went wrong on our side; quote the `request_id` when you report it."""

    status = 500
    code = "internal_error"
