"""Actions that follow a commit: what a worker has in memory must not precede the database."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import Session

from gatehouse.database.session import db

ACTIONS = "after_commit"


def run_after_commit(action: Callable[[], object]) -> None:
    """Run an action once the current transaction is committed; never if it is rolled back."""
    db.session.info.setdefault(ACTIONS, []).append(action)


@event.listens_for(Session, "after_commit")
def _run_actions(session: Session) -> None:
    for action in session.info.pop(ACTIONS, ()):
        action()


@event.listens_for(Session, "after_rollback")
def _discard_actions(session: Session) -> None:
    session.info.pop(ACTIONS, None)
