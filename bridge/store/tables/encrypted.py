"""The columns that are encrypted when keys are configured.

Writing, reading, `db rekey`, `db check` and docs/privacy.md follow from `ENCRYPTED_COLUMNS`.
Columns that the database compares or searches stay plaintext: ids, types, names, status, reasons,
times. Write a listed column through `encrypt_row` or `Sealer.seal`, read it through `Sealer.open`.
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
    audit,
    delivery,
    event,
    learned,
    local_file,
    local_run,
    reject,
    run_request,
)


@dataclass(frozen=True, slots=True)
class EncryptedColumns:
    """The encrypted columns of a table, each with a description for users.

    `named`: the columns whose values identify the row; `always`: encrypted without keys as well,
    with one derived from the secret key.
    """

    table: Table
    columns: Mapping[str, str]  # -> description for users
    named: tuple[str, ...] = ("id",)
    always: bool = False


ENCRYPTED_COLUMNS: Final = (
    EncryptedColumns(
        event,
        {
            "body": "the body",
            "headers": "the headers",
            "query_string": "the query",
            "files": "names, types and digests of files",
            "client": "the sender's address",
        },
    ),
    EncryptedColumns(
        delivery,
        {
            "inputs": "inputs",
            "outputs": "outputs of the run",
            "log": "the log of the run",
            "evidence": "evidence from the platform's list of runs",
        },
    ),
    EncryptedColumns(
        attempt,
        {
            "detail": "the platform's response",
            "outputs": "outputs of the run",
            "log": "the log of the run",
        },
        ("delivery_id", "number"),
    ),
    EncryptedColumns(
        reject,
        {
            "body": "the body",
            "headers": "the headers",
            "query_string": "the query",
            "url": "the URL",
            "client": "the sender's address",
        },
    ),
    EncryptedColumns(
        local_run,
        {
            "inputs": "inputs",
            "body": "the whole body of the start",
            "outputs": "outputs",
            "log": "the log",
        },
    ),
    EncryptedColumns(local_file, {"sha256": "the digest of a file"}, ("user_id", "run_id", "name")),
    EncryptedColumns(
        act,
        {"asked": "the request of the operation", "counted": "the count that was agreed to"},
    ),
    EncryptedColumns(
        run_request, {"answer": "the platform's answer to a start by hand"}, ("token", "key")
    ),
    EncryptedColumns(audit, {"client": "the address of a client"}),
    EncryptedColumns(learned, {"sealed": "the secret from the sender"}, ("source",), always=True),
)
MARK_LENGTH = len(MARK_PREFIX)
MARKS = (MARK_PREFIX, MARK_PREFIX.encode())
COLUMNS_BY_TABLE: Final = {row.table.name: tuple(row.columns) for row in ENCRYPTED_COLUMNS}


def sealer_of(connection: Connection) -> Sealer:
    """Return the encryption of a connection's database."""
    sealer: Sealer = connection.get_execution_options().get("sealer", NO_ENCRYPTION)
    return sealer


def row_name(*named: object) -> str:
    """Return the identifier of a row from the values of its `named` columns."""
    return "\0".join(map(str, named))


def encrypt_row(sealer: Sealer, table: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Encrypt the values of a row that need it, and return all values in their order."""
    on = sealer.on
    for column in COLUMNS_BY_TABLE[table]:
        # without keys, this is little more than a comparison
        if (value := values.get(column)) and (on or value[:MARK_LENGTH] in MARKS):
            values[column] = sealer.seal(value, table, column, name)
    return values
