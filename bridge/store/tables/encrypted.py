"""What is kept sealed where there are keys: the one place that knows which columns carry what
senders said, and what came of it.

Writing, reading, `db rekey`, `db check` and docs/privacy.md follow from `ROWS`. What is looked for
or compared by the database stays in
clear: ids, types, names, status, reasons, times. A column that is added here is written through
`closed` or `Sealer.seal`, and read through `Sealer.open`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Table

from bridge.store.encryption import MARK_PREFIX, NO_ENCRYPTION, Sealer
from bridge.store.tables.schema import (
    act,
    attempt,
    delivery,
    event,
    learned,
    local_file,
    local_run,
    reject,
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """Columns of a table that are sealed: `named` are those whose values name the row, `what` what
    it is for people.

    `always`: it is sealed without keys, too, with one that is derived from the secret key.
    """

    table: Table
    columns: Mapping[str, str]  # -> what stands there, for people
    named: tuple[str, ...] = ("id",)
    always: bool = False


ROWS: Final = (
    Sealed(
        event,
        {
            "body": "the body",
            "headers": "the headers",
            "query_string": "the query",
            "files": "names, types and digests of files",
            "client": "the sender's address",
        },
    ),
    Sealed(
        delivery,
        {
            "inputs": "inputs",
            "outputs": "outputs of the run",
            "log": "the log of the run",
            "evidence": "what the platform's list of runs said",
        },
    ),
    Sealed(
        attempt,
        {
            "detail": "what the platform answered",
            "outputs": "outputs of the run",
            "log": "the log of the run",
        },
        ("delivery_id", "number"),
    ),
    Sealed(
        reject,
        {
            "body": "the body",
            "headers": "the headers",
            "query_string": "the query",
            "url": "the URL",
            "client": "the sender's address",
        },
    ),
    Sealed(
        local_run,
        {
            "inputs": "inputs",
            "body": "the whole body of the start",
            "outputs": "outputs",
            "log": "the log",
        },
    ),
    Sealed(local_file, {"sha256": "the digest of a file"}, ("user_id", "run_id", "name")),
    Sealed(act, {"asked": "what was asked for"}),
    Sealed(learned, {"sealed": "the secret that the sender told"}, ("source",), always=True),
)
MARK_LENGTH = len(MARK_PREFIX)
MARKS = (MARK_PREFIX, MARK_PREFIX.encode())
OF_TABLE: Final = {row.table.name: tuple(row.columns) for row in ROWS}


def sealer_of(connection: Connection) -> Sealer:
    """Return what seals in the database of a connection."""
    sealer: Sealer = connection.get_execution_options().get("sealer", NO_ENCRYPTION)
    return sealer


def name_of(*named: object) -> str:
    """Return what names a row, by the values of its `named` columns."""
    return "\0".join(map(str, named))


def closed(sealer: Sealer, table: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Seal those of a row's values that are kept sealed, and return all of them, in their order."""
    on = sealer.on
    for column in OF_TABLE[table]:
        # who has no keys pays for little more than a look
        if (value := values.get(column)) and (on or value[:MARK_LENGTH] in MARKS):
            values[column] = sealer.seal(value, table, column, name)
    return values
