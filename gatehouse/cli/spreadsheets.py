"""CSV for spreadsheets, in which no value is a formula."""

import csv
import io
from collections.abc import Sequence

from gatehouse.cli.output import to_text

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for a formula, also in full width (OWASP, CSV injection)."""


def to_csv(rows: Sequence[dict[str, object]]) -> str:
    """Return rows as CSV (RFC 4180), with a header; empty without rows.

    An apostrophe before what could be a formula makes it text.
    """
    if not rows:
        return ""
    output = io.StringIO()
    writer = csv.DictWriter(output, list(rows[0]), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows({name: _to_cell(value) for name, value in row.items()} for row in rows)
    return output.getvalue()


def _to_cell(value: object) -> str:
    text = " ".join(value) if isinstance(value, list) else "" if value is None else to_text(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
