"""Challenges for step-up: bound to the session, consumed by the next reauthentication."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from gatehouse.core import crypto_labels
from gatehouse.core.errors import NotFound
from gatehouse.database.session import write_transaction
from gatehouse.mfa import credential_store, registry
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.web.request_context import RequestContext

PURPOSE = crypto_labels.STEP_UP_CHALLENGE
LIFETIME = timedelta(minutes=5)


def start(caller: AccessToken, factor_id: UUID, context: RequestContext) -> dict[str, Any]:
    """Issue a challenge for a factor of the caller; it replaces the session's previous one.

    Raises:
        NotFound: the caller has no such factor.
    """
    user_id = UUID(caller.sub)
    with write_transaction():
        user = users.get_user(user_id)
        selected = [row for row in credential_store.list_confirmed(user_id) if row.id == factor_id]
        if user is None or not selected:
            raise NotFound
        challenge = registry.get_factor(selected[0].kind).challenge(user, selected, context)
        lifetime = challenge.lifetime or LIFETIME
        if challenge.state is not None:
            one_time_codes.delete_for_subject(PURPOSE, caller.sid)
            data = {"kind": selected[0].kind, "kept": challenge.state}
            one_time_codes.create(PURPOSE, caller.sid, data, lifetime)
    return {"expires_in": int(lifetime.total_seconds()), **challenge.public}


def consume(caller: AccessToken) -> dict[str, Any]:
    """Consume the session's pending challenge, in a write transaction; return its state by kind."""
    states: dict[str, Any] = {}
    for code_id in one_time_codes.lock_for_subject(PURPOSE, caller.sid):
        row = one_time_codes.find_by_id(PURPOSE, code_id)
        if row:
            data = one_time_codes.decrypt_data(row)
            states[data["kind"]] = data["kept"]
            one_time_codes.consume(code_id)
    return states
