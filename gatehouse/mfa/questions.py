"""What was asked of somebody who steps up: bound to their session, used by the next proof."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from gatehouse.accounts import service as accounts
from gatehouse.foundation.database import writing
from gatehouse.foundation.errors import NotFound
from gatehouse.foundation.visitor import Visitor
from gatehouse.mfa import credentials, shelf
from gatehouse.tokens import challenges
from gatehouse.tokens.service import AccessToken

PURPOSE = "reauthenticate"
LIFETIME = timedelta(minutes=5)


def ask(caller: AccessToken, factor_id: UUID, visitor: Visitor) -> dict[str, Any]:
    """Ask for a factor of the caller's: the newest question of a session is the only one.

    Raises:
        NotFound: they have no such factor.
    """
    user_id = UUID(caller.sub)
    with writing():
        user = accounts.get(user_id)
        mine = [row for row in credentials.held(user_id) if row.id == factor_id]
        if user is None or not mine:
            raise NotFound
        question = shelf.piece(mine[0].kind).ask(user, mine, visitor)
        lifetime = question.lifetime or LIFETIME
        if question.kept is not None:
            challenges.forget(PURPOSE, caller.sid)
            asked = {"kind": mine[0].kind, "kept": question.kept}
            challenges.create(PURPOSE, caller.sid, asked, lifetime)
    return {"expires_in": int(lifetime.total_seconds()), **question.shown}


def take(caller: AccessToken) -> dict[str, Any]:
    """Use up what was asked in the caller's session, in a write transaction; return it by kind."""
    asked: dict[str, Any] = {}
    for challenge_id in challenges.hold(PURPOSE, caller.sid):
        row = challenges.by_id(PURPOSE, challenge_id)
        if row:
            data = challenges.open_data(row)
            asked[data["kind"]] = data["kept"]
            challenges.consume(challenge_id)
    return asked
