"""Which values are sealed with which key, and which are in clear: counted by how they begin, so
that nothing is opened for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, LargeBinary, Text, case, cast, func, literal, select

from bridge.core.errors import SettingsError
from bridge.store.db.database import Database
from bridge.store.encryption import (
    ENCRYPTED_MARK,
    HEADER_LENGTH,
    KEY_ID_LENGTH,
    SETTING,
    Sealer,
    sealed_with,
)
from bridge.store.tables.encrypted import ROWS, Sealed

#: of a value: there is none, or it is not sealed; else the id of its key
NOTHING = "-"
IN_CLEAR = ""
#: What is sealed in any case: without keys with one that is derived from the secret key.
ALWAYS_ENCRYPTED: Final = frozenset(
    f"{row.table.name}.{name}" for row in ROWS if row.always for name in row.columns
)
#: (table and column, id of a key or null for what is in clear) -> values
KeyUsage = Counter[tuple[str, str | None]]


def state_of(column: Column[Any], *, is_sqlite: bool) -> ColumnElement[str]:
    """Return how a value is kept, as SQL: the id of its key, `IN_CLEAR` or `NOTHING`."""
    is_raw = isinstance(column.type, LargeBinary)
    mark = literal(ENCRYPTED_MARK.encode(), LargeBinary) if is_raw else literal(ENCRYPTED_MARK)
    key: Any = func.substr(column, len(ENCRYPTED_MARK) + 1, KEY_ID_LENGTH)
    if is_raw:
        key = cast(key, Text) if is_sqlite else func.encode(key, "escape")
    empty = column.is_(None) | (func.length(column) == 0)
    return case(
        (empty, NOTHING), (func.substr(column, 1, len(ENCRYPTED_MARK)) == mark, key), else_=IN_CLEAR
    )


def count_values(database: Database) -> KeyUsage:
    """Count all values that are sealed where there are keys. Each table is read once."""
    found: KeyUsage = Counter()
    for row in ROWS:
        states = [
            state_of(row.table.c[name], is_sqlite=database.is_sqlite).label(name)
            for name in row.columns
        ]
        query = select(func.count(), *states).group_by(*states)
        with database.read() as connection:
            for number, *kept in connection.execute(query):
                for name, state in zip(row.columns, kept, strict=True):
                    if state != NOTHING:
                        found[f"{row.table.name}.{name}", state or None] += number
    return found


def listed(database: Database, files: Iterable[str | None] = ()) -> list[dict[str, Any]]:
    """Return for people how much is kept how: `what key values`; nothing where there are no keys
    and nothing is sealed.
    """
    found = count_values(database) + Counter(("files", key) for key in files)
    if not database.sealer.on and not any(
        key for what, key in found if what not in ALWAYS_ENCRYPTED
    ):
        return []
    return [
        {"what": what, "key": key, "values": found[what, key]}
        for what, key in sorted(found, key=lambda one: (one[0], one[1] or ""))
    ]


def problems(sealed: Sequence[Mapping[str, Any]], sealer: Sealer) -> Iterator[str]:
    """Yield what cannot be opened."""
    missing: Counter[str] = Counter()
    for one in sealed:
        if one["key"] and one["key"] not in sealer.ids and one["what"] not in ALWAYS_ENCRYPTED:
            missing[one["key"]] += one["values"]
    for key, values in missing.items():
        yield (
            f"{values} values are sealed with the key {key}, which {SETTING} does not have: put it"
            " there, behind the first"
        )


def notes(sealed: Sequence[Mapping[str, Any]], sealer: Sealer) -> Iterator[str]:
    """Yield which keys are needed no more, and what is yet to be sealed with the first."""
    if not sealer.on:
        return
    others = sum(one["values"] for one in sealed if one["key"] != sealer.first)
    if others:
        yield (
            f"{others} values are in clear or sealed with another key than the first: flowbridge db"
            " rekey"
        )
    for key in sealer.ids[1:]:
        if not any(one["key"] == key for one in sealed):
            yield (
                f"the key {key} seals nothing here any more, and can be dropped from {SETTING};"
                " backups may need it"
            )


def must_open(database: Database) -> None:
    """Raise `SettingsError` where the first or the last that is kept was sealed with a key that is
    not here: looks at few rows.

    Keys change in time, and `db rekey` begins with what came last: so what needs a key that is gone
    is among the first.
    """
    for row in ROWS:
        for kept in [] if row.always else _edge_values(database, row):
            key = sealed_with(kept)
            if key is not None and key not in database.sealer.ids:
                raise SettingsError(
                    f"{row.table.name} holds what is sealed with the key {key}, which {SETTING}"
                    " does not have: put that key behind the first one, and flowbridge db check"
                    " says when it is needed no more"
                )


def _edge_values(database: Database, row: Sealed) -> Iterator[str | bytes]:
    key = list(row.table.primary_key.columns)
    query = select(
        *(func.substr(row.table.c[name], 1, HEADER_LENGTH) for name in row.columns)
    ).limit(1)
    with database.read() as connection:
        for order in (key, [column.desc() for column in key]):
            for found in connection.execute(query.order_by(*order)):
                yield from filter(None, found)
