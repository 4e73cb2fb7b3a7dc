"""Execute SQLAlchemy statements directly with PostgreSQL's driver, for the most frequent routes.

SQLAlchemy compiles each statement once and manages the connection. Its execution layer is bypassed:
it takes four times as long as everything else, a dozen times per request.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, TextClause
from sqlalchemy.exc import DBAPIError

Parameters = Mapping[str, Any]


def execute_direct(connection: Connection, statement: Any, parameters: Parameters) -> Sequence[Any]:
    """Execute a statement in the connection's transaction, if any, and return its rows, if any.

    The statement must be a constant, as its compiled form is cached, and gets all its parameters;
    a list is the value of an expanding parameter. Rows have the driver's types, and are named
    tuples, or plain tuples for `text`.

    Raises:
        SQLAlchemyError: as SQLAlchemy does; but a value that cannot be converted raises the
            converter's own error on PostgreSQL, where SQLAlchemy would wrap it.
    """
    if connection.dialect.name != "postgresql":
        result = connection.execute(statement, parameters)
        return result.all() if result.returns_rows else ()
    lists = [(name, value) for name, value in parameters.items() if isinstance(value, list)]
    list_sizes = tuple((name, len(values)) for name, values in lists)
    compiled = _compile(statement, connection.dialect, list_sizes)
    driver: Any = connection.connection.driver_connection
    dbapi: Any = connection.dialect.loaded_dbapi
    try:
        cursor = driver.execute(compiled.sql, compiled.bind(parameters))
        rows = () if cursor.rownumber is None else cursor.fetchall()
    except dbapi.Error as error:
        if driver.closed:  # let SQLAlchemy detect it, invalidate the connection and raise
            connection.execute(statement, parameters)
        raise DBAPIError.instance(
            compiled.sql, None, error, dbapi.Error, hide_parameters=True
        ) from error
    return [compiled.make_row(row) for row in rows]


@dataclass(frozen=True)
class _CompiledStatement:
    """A statement in the form that the driver executes."""

    sql: str
    literal_values: dict[str, Any]
    """Values that are part of the statement."""
    expanded_names: dict[str, list[str]]
    """The parameter names into which each list parameter is expanded."""
    converters: dict[str, Callable[[Any], Any]]
    """Conversions of Python values to driver values, by parameter name."""
    make_row: Callable[[Sequence[Any]], Any]
    """Makes a named tuple of a row."""

    def bind(self, parameters: Parameters) -> dict[str, Any]:
        """Return the driver's parameters: converted, with expanded lists."""
        bound = {**self.literal_values, **parameters}
        for name, convert in self.converters.items():
            bound[name] = convert(bound[name])
        for name, expanded in self.expanded_names.items():
            bound.update(zip(expanded, parameters[name], strict=True))
        return bound


@cache
def _compile(
    statement: Any, dialect: Dialect, list_sizes: tuple[tuple[str, int], ...]
) -> _CompiledStatement:
    compiled: Any = statement.compile(dialect=dialect)
    if compiled.insert_prefetch or compiled.update_prefetch:
        raise TypeError("a column default computed by Python must be passed as a value")
    lists = {name: [""] * size for name, size in list_sizes}
    expanded = compiled.construct_expanded_state(compiled.params | lists)
    names = {name: list(each) for name, each in expanded.parameter_expansion.items()}
    binds = {name: bind for bind, name in compiled.bind_names.items()}
    literals = {name: bind.effective_value for name, bind in binds.items() if not bind.required}
    converters = {}
    for name, bind in binds.items():
        if convert := bind.type.dialect_impl(dialect).bind_processor(dialect):
            converters[name] = _convert_each(convert) if bind.expanding else convert
    make_row = _row_factory(statement)
    return _CompiledStatement(expanded.statement, literals, names, converters, make_row)


def _convert_each(convert: Callable[[Any], Any]) -> Callable[[list[Any]], list[Any]]:
    return lambda values: [convert(value) for value in values]


def _row_factory(statement: Any) -> Callable[[Sequence[Any]], Any]:
    if isinstance(statement, TextClause):
        return tuple
    row: Any = namedtuple("Row", statement.exported_columns.keys())  # type: ignore[misc]
    make: Callable[[Sequence[Any]], Any] = row._make
    return make
