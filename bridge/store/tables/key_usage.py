"""Count the stored values by encryption key. Only their first characters are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, LargeBinary, Text, case, cast, func, literal, select

from bridge.core.advice import name_command
from bridge.core.errors import SettingsError
from bridge.store.db.database import Database
from bridge.store.encryption import (
    ENCRYPTED_MARK,
    HEADER_LENGTH,
    KEY_ID_LENGTH,
    SETTING,
    Sealer,
    key_id_of,
)
from bridge.store.tables.encrypted import ENCRYPTED_COLUMNS, EncryptedColumns

#: States of a value without a key: there is no value, or it is plaintext.
EMPTY = "-"
PLAINTEXT = ""
#: Columns that are encrypted without keys as well, with one from the secret key.
ALWAYS_ENCRYPTED: Final = frozenset(
    f"{row.table.name}.{name}" for row in ENCRYPTED_COLUMNS if row.always for name in row.columns
)
#: (table and column, key id or None for plaintext) -> number of values
KeyUsage = Counter[tuple[str, str | None]]


def key_expression(column: Column[Any], *, is_sqlite: bool) -> ColumnElement[str]:
    """Return an SQL expression for the key id of a value, `PLAINTEXT` or `EMPTY`."""
    is_raw = isinstance(column.type, LargeBinary)
    mark = literal(ENCRYPTED_MARK.encode(), LargeBinary) if is_raw else literal(ENCRYPTED_MARK)
    key: Any = func.substr(column, len(ENCRYPTED_MARK) + 1, KEY_ID_LENGTH)
    if is_raw:
        key = cast(key, Text) if is_sqlite else func.encode(key, "escape")
    empty = column.is_(None) | (func.length(column) == 0)
    return case(
        (empty, EMPTY), (func.substr(column, 1, len(ENCRYPTED_MARK)) == mark, key), else_=PLAINTEXT
    )


def count_values(database: Database) -> KeyUsage:
    """Count the values of all encrypted columns by key. Each table is read once."""
    counts: KeyUsage = Counter()
    for row in ENCRYPTED_COLUMNS:
        states = [
            key_expression(row.table.c[name], is_sqlite=database.is_sqlite).label(name)
            for name in row.columns
        ]
        query = select(func.count(), *states).group_by(*states)
        with database.read() as connection:
            for number, *keys in connection.execute(query):
                for name, state in zip(row.columns, keys, strict=True):
                    if state != EMPTY:
                        counts[f"{row.table.name}.{name}", state or None] += number
    return counts


def list_key_usage(database: Database, files: Iterable[str | None] = ()) -> list[dict[str, Any]]:
    """Return the key usage as rows of `what key values`; empty if nothing is encrypted."""
    counts = count_values(database) + Counter(("files", key) for key in files)
    if not database.sealer.on and not any(
        key for what, key in counts if what not in ALWAYS_ENCRYPTED
    ):
        return []
    return [
        {"what": what, "key": key, "values": counts[what, key]}
        for what, key in sorted(counts, key=lambda pair: (pair[0], pair[1] or ""))
    ]


def find_missing_keys(sealed: Sequence[Mapping[str, Any]], sealer: Sealer) -> Iterator[str]:
    """Yield a message for each missing key."""
    missing: Counter[str] = Counter()
    for usage in sealed:
        if (
            usage["key"]
            and usage["key"] not in sealer.ids
            and usage["what"] not in ALWAYS_ENCRYPTED
        ):
            missing[usage["key"]] += usage["values"]
    for key, values in missing.items():
        yield (
            f"{values} values are encrypted with the key {key}, which is missing in {SETTING}: add"
            " it after the first key"
        )


def find_rekey_notes(sealed: Sequence[Mapping[str, Any]], sealer: Sealer) -> Iterator[str]:
    """Yield messages about unused keys, and values that `db rekey` would change."""
    if not sealer.on:
        return
    others = sum(usage["values"] for usage in sealed if usage["key"] != sealer.first)
    if others:
        yield (
            f"{others} values are plaintext or encrypted with another key than the first: run"
            f" {name_command('db rekey')}"
        )
    for key in sealer.ids[1:]:
        if not any(usage["key"] == key for usage in sealed):
            yield (
                f"the key {key} is no longer used and can be removed from {SETTING}; backups may"
                " still need it"
            )


def check_keys(database: Database) -> None:
    """Raise `SettingsError` if the oldest or newest values need a missing key. Reads few rows.

    Keys change over time, and `db rekey` begins with the newest rows, so values with a removed key
    are among the first or the last.
    """
    for row in ENCRYPTED_COLUMNS:
        for value in [] if row.always else _edge_values(database, row):
            key = key_id_of(value)
            if key is not None and key not in database.sealer.ids:
                raise SettingsError(
                    f"{row.table.name} has values encrypted with the key {key}, which is missing in"
                    f" {SETTING}: add it after the first key; {name_command('db check')} reports"
                    " when it is no longer needed"
                )


def _edge_values(database: Database, row: EncryptedColumns) -> Iterator[str | bytes]:
    key = list(row.table.primary_key.columns)
    query = select(
        *(func.substr(row.table.c[name], 1, HEADER_LENGTH) for name in row.columns)
    ).limit(1)
    with database.read() as connection:
        for order in (key, [column.desc() for column in key]):
            for values in connection.execute(query.order_by(*order)):
                yield from filter(None, values)
