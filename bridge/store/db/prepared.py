"""Statements compiled once for each database, and passed to the driver directly.

A worker runs them in every cycle, and SQLAlchemy takes several times longer over a small statement
than the database does. Its conversion of values and rows is skipped: values are plain (text,
numbers, booleans, None), and so are results (SQLite's booleans are 0 and 1).
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import orjson
from sqlalchemy import ClauseElement, Column, ColumnElement, Connection, Text, bindparam
from sqlalchemy.ext.compiler import compiles


class PreparedStatement:
    """A statement with named parameters, to be run inside `Database.write`.

    One that only reads may also be run inside `Database.read`. On SQLite it does not begin the
    transaction there, so that two of them may see different states.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement
        # by dialect: the SQL, and the values that the statement contains
        self._compiled: dict[str, tuple[str, dict[str, Any]]] = {}
        self._row: Any = None

    def rows(self, connection: Connection, **values: Any) -> list[Any]:
        """Run it and return its rows, with the columns as attributes."""
        cursor = self._run(connection, values)
        if self._row is None:
            self._row = namedtuple("Row", [column[0] for column in cursor.description])  # type: ignore[misc]  # the columns are known at run time
        return list(map(self._row._make, cursor.fetchall()))

    def value(self, connection: Connection, **values: Any) -> Any:
        """Run it and return the first column of its first row, None without a row."""
        row = self._run(connection, values).fetchone()
        return None if row is None else row[0]

    def change(self, connection: Connection, **values: Any) -> int:
        """Run it and return how many rows it changed."""
        changed: int = self._run(connection, values).rowcount
        return changed

    def change_each(self, connection: Connection, many: Sequence[Mapping[str, Any]]) -> None:
        """Run it once with each of these sets of values."""
        sql, own = self._for(connection)
        _cursor(connection).executemany(
            sql, [{**own, **values} for values in many] if own else many
        )

    def change_alike(
        self, connection: Connection, many: Iterable[tuple[str, Mapping[str, Any]]]
    ) -> None:
        """Run it once for each set of equal values, with the ids that have them as `ids`.

        The sets have the same names in the same order. What a turn stores is alike for most
        deliveries, and the driver takes longer over a row of its own than the database does.
        """
        alike: dict[tuple[Any, ...], tuple[Mapping[str, Any], list[str]]] = {}
        for id_, values in many:
            alike.setdefault(tuple(values.values()), (values, []))[1].append(id_)
        for values, ids in alike.values():
            self._run(connection, {**values, "ids": to_json_list(ids)})

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        sql, own = self._for(connection)
        return _cursor(connection).execute(sql, {**own, **values})

    def _for(self, connection: Connection) -> tuple[str, dict[str, Any]]:
        dialect: Any = connection.dialect
        prepared = self._compiled.get(dialect.name)
        if prepared is None:
            named = type(dialect)(paramstyle="named") if dialect.name == "sqlite" else dialect
            compiled: Any = self._statement.compile(dialect=named)
            own = {
                name: bind.value for bind, name in compiled.bind_names.items() if not bind.required
            }
            prepared = self._compiled[dialect.name] = str(compiled), own
        return prepared


def send_together(connection: Connection) -> AbstractContextManager[object]:
    """Send the changes of a block to the server at once, and wait for all at its end.

    Only `change_alike` and `change_each` may be called in it. An error is raised at the end.
    https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html
    """
    if connection.dialect.name == "sqlite":
        return nullcontext()
    driver: Any = connection.connection.driver_connection
    pipeline: AbstractContextManager[object] = driver.pipeline()
    return pipeline


def _cursor(connection: Connection) -> Any:
    driver: Any = connection.connection.driver_connection
    return driver.cursor()


def to_json_list(texts: Iterable[str]) -> str:
    """Encode texts as one JSON parameter, for `InJsonList` or a function that reads JSON."""
    return orjson.dumps(list(texts)).decode()


class InJsonList(ColumnElement[Any]):
    """The condition that a column equals one of the texts in a JSON parameter.

    The statement is the same for any number of texts.
    """

    inherit_cache = False

    def __init__(self, column: Column[str], name: str) -> None:
        self.column = column
        self.values = bindparam(name, type_=Text)


@compiles(InJsonList, "sqlite")
def _on_sqlite(among: InJsonList, compiler: Any, **how: Any) -> str:
    column = compiler.process(among.column, **how)
    values = compiler.process(among.values, **how)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 - a column of ours and a placeholder


@compiles(InJsonList, "postgresql")
def _on_postgresql(among: InJsonList, compiler: Any, **how: Any) -> str:
    column = compiler.process(among.column, **how)
    values = compiler.process(among.values, **how)
    # The planner expects ten elements of an array, but a hundred rows of a function; for those it
    # would rather scan a small table than use an index.
    return f"{column} = ANY(ARRAY(SELECT json_array_elements_text(CAST({values} AS json))))"
