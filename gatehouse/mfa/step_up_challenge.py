"""What was asked of somebody who steps up: bound to their session, used by the next proof."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from gatehouse.core.errors import NotFound
from gatehouse.database.session import writing
from gatehouse.mfa import credential_store, registry
from gatehouse.one_time_codes import service as one_time_codes
from gatehouse.tokens.service import AccessToken
from gatehouse.users import service as users
from gatehouse.web.request_context import Visitor

PURPOSE = "reauthenticate"
LIFETIME = timedelta(minutes=5)


def ask(caller: AccessToken, factor_id: UUID, visitor: Visitor) -> dict[str, Any]:
    """Ask for a factor of the caller's: the newest question of a session is the only one.

    Raises:
        NotFound: they have no such factor.
    """
    user_id = UUID(caller.sub)
    with writing():
        user = users.get(user_id)
        mine = [row for row in credential_store.held(user_id) if row.id == factor_id]
        if user is None or not mine:
            raise NotFound
        question = registry.piece(mine[0].kind).ask(user, mine, visitor)
        lifetime = question.lifetime or LIFETIME
        if question.kept is not None:
            one_time_codes.forget(PURPOSE, caller.sid)
            asked = {"kind": mine[0].kind, "kept": question.kept}
            one_time_codes.create(PURPOSE, caller.sid, asked, lifetime)
    return {"expires_in": int(lifetime.total_seconds()), **question.shown}


def take(caller: AccessToken) -> dict[str, Any]:
    """Use up what was asked in the caller's session, in a write transaction; return it by kind."""
    asked: dict[str, Any] = {}
    for challenge_id in one_time_codes.hold(PURPOSE, caller.sid):
        row = one_time_codes.by_id(PURPOSE, challenge_id)
        if row:
            data = one_time_codes.open_data(row)
            asked[data["kind"]] = data["kept"]
            one_time_codes.consume(challenge_id)
    return asked
