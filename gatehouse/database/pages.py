"""Pages of lists that are ordered by time and id, the newest first."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from gatehouse.database.session import db


@dataclass(frozen=True)
class Position:
    """The last row of a page."""

    at: datetime
    id: UUID


@dataclass(frozen=True)
class NewestFirst:
    """The order of a list, by two columns that every row has."""

    at: InstrumentedAttribute[datetime]
    id: InstrumentedAttribute[UUID]

    def fetch_page(
        self, statement: Select[object], limit: int, after: Position | None
    ) -> tuple[list[Row[object]], Position | None]:
        """Return the rows after a position, and where the next page begins (None: nowhere)."""
        position = statement.add_columns(self.at.label("page_at"), self.id.label("page_id"))
        ordered = position.order_by(self.at.desc(), self.id.desc())
        if after:
            last = literal(after.at, self.at.type), literal(after.id, self.id.type)
            ordered = ordered.where(tuple_(self.at, self.id) < tuple_(*last))
        rows = list(db.session.execute(ordered.limit(limit + 1)).all())
        page, rest = rows[:limit], rows[limit:]
        following = Position(page[-1].page_at, page[-1].page_id) if rest else None
        return page, following
