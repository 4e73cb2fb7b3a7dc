"""What blocking hooks may answer; everything else counts as a failure of the hook."""

from dataclasses import dataclass

from flask import current_app
from marshmallow import ValidationError, validate

from gatehouse.hooks.kinds import ALLOW, DENY, ON_FAILURE
from gatehouse.tokens.custom_claims import is_allowed, measure_claims
from gatehouse.web.fields import UNSTORABLE, Form, String

MAX_BYTES = 16_384
MAX_CLAIMS_SIZE = 256
"""Bytes of the claims of all hooks together; with the largest token, they still fit a cookie."""
MAX_MESSAGE_LENGTH = 200


class HookFailed(Exception):
    """A hook gave no usable answer; the message is a code, such as `unreachable`."""


@dataclass(frozen=True)
class Decision:
    """What a hook decided, and for a denial a code and a message of the operator."""

    decision: str
    code: str | None = None
    message: str | None = None

    @property
    def is_denial(self) -> bool:
        """Whether the hook stops what it was asked about."""
        return self.decision == DENY


class DecisionAnswer(Form):
    """The answer of a hook that decides."""

    form_type = Decision

    decision = String(8, required=True, validate=validate.OneOf(ON_FAILURE))
    code = String(64, validate=validate.Regexp(r"[a-z][a-z0-9_]*\Z"))
    message = String(MAX_MESSAGE_LENGTH)


def parse_decision(body: bytes) -> Decision:
    """Return the decision of an answer; a denial whose code or message is invalid stays one.

    Raises:
        HookFailed: it is no such answer.
    """
    members = _parse_object(body)
    try:
        decision: Decision = DecisionAnswer().load(members)
    except ValidationError:
        if members.get("decision") == DENY:
            return Decision(DENY)
        raise HookFailed("invalid_answer") from None
    if decision == Decision(ALLOW) or decision.is_denial:
        return decision
    raise HookFailed("invalid_answer")


def parse_claims(body: bytes) -> dict[str, object]:
    """Return the claims of an answer: allowed names, with strings, numbers, booleans or lists.

    Raises:
        HookFailed: it is no such answer, or a claim is reserved, nested or too large.
    """
    members = _parse_object(body)
    claims = members.get("claims")
    if members.keys() != {"claims"} or not isinstance(claims, dict):
        raise HookFailed("invalid_answer")
    if not all(is_allowed(name) and _is_flat(value) for name, value in claims.items()):
        raise HookFailed("invalid_claims")
    if measure_claims(claims) > MAX_CLAIMS_SIZE:
        raise HookFailed("claims_too_large")
    return claims


def _is_flat(value: object) -> bool:
    """Return whether a value is a string, number or boolean, or a list of them."""
    values = value if isinstance(value, list) else [value]
    return all(isinstance(one, str | int | float) and not _is_unstorable(one) for one in values)


def _is_unstorable(value: object) -> bool:
    return isinstance(value, str) and UNSTORABLE.search(value) is not None


def _parse_object(body: bytes) -> dict[str, object]:
    try:
        members = current_app.json.loads(body)
    except ValueError:
        raise HookFailed("invalid_answer") from None
    if not isinstance(members, dict):
        raise HookFailed("invalid_answer")
    return members
