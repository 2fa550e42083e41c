"""Encrypt all stored values with the first key, or decrypt them, in small batches.

Other processes may use the store meanwhile. Values that are encrypted so already are skipped, so
the operation can stop and restart anywhere. A row changes only if it is still as it was read: what
other processes wrote since is encrypted with their first key.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Table, func, or_, select, tuple_, update

from bridge.core.errors import DecryptionError, StoreError
from bridge.core.fingerprints import EMPTY_SHA256, KEYED_PREFIX, keyed_sha256
from bridge.store.db.clock import DatabaseClock
from bridge.store.db.database import Database
from bridge.store.encryption import SETTING, Sealer, key_id_of, mark_plaintext, sealer_for_secrets
from bridge.store.inbound import deleted_ids
from bridge.store.queue import heartbeats
from bridge.store.tables import key_usage
from bridge.store.tables.encrypted import ENCRYPTED_COLUMNS, EncryptedColumns, row_name
from bridge.store.tables.schema import deleted_id, event

# rows read at once: of tables with bodies, and of others
BODY_PAGE_ROWS = 16
PAGE_ROWS = 200
# over a table: other processes may change a row between its read and its write
MAX_PASSES: Final = 10
# of an event: columns that could confirm a guess of its body
DIGEST_COLUMNS: Final = ("source", "body_sha256", "provider_id")


@dataclass(slots=True)
class Rekeying:
    """A change of encryption. `clear`: decrypt.

    `secret_key`: the key of digests, and of values that are always encrypted.
    """

    database: Database
    secret_key: str
    clear: bool = False
    broken: list[str] = field(default_factory=list)  # values that no key decrypts
    done: Counter[str] = field(default_factory=Counter)  # rows by table

    def check(self) -> None:
        """Raise `StoreError` where the change is impossible."""
        if not self.clear and not self.database.sealer.on:
            raise StoreError(f"{SETTING} is not set: there is no key to encrypt with")
        clock = DatabaseClock(self.database)
        clock.set()
        if self.clear and heartbeats.workers_alive(self.database, clock()):
            raise StoreError(
                "a worker is running, which encrypts what it writes: stop flowbridge on all"
                " machines before you turn encryption off"
            )

    def left(self) -> dict[str, int]:
        """Return how many rows of each table have to change."""
        counts = {}
        for row in ENCRYPTED_COLUMNS:
            query = select(func.count()).select_from(row.table).where(self._wrong(row))
            with self.database.read() as connection:
                counts[str(row.table.name)] = connection.execute(query).scalar_one()
        with self.database.read() as connection:
            digests = 0 if self.clear else deleted_ids.count_plain_digests(connection)
        return counts | ({str(deleted_id.name): digests} if digests else {})

    def run(
        self,
        advance: Callable[[int], None] = lambda _: None,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        """Change all rows. `advance` receives the number of changed rows.

        `rest` receives the duration of each batch, and pauses so that others can write.
        """
        for row in ENCRYPTED_COLUMNS:
            for _ in range(MAX_PASSES):
                self.broken = [
                    message
                    for message in self.broken
                    if not message.startswith(f"{row.table.name}.")
                ]
                if not sum(self._batch(row, rows, advance, rest) for rows in self._pages(row)):
                    break
        if not self.clear and (done := deleted_ids.key_digests(self.database, self.secret_key)):
            self.done[str(deleted_id.name)] += done
            advance(done)

    def _batch(
        self,
        row: EncryptedColumns,
        rows: Sequence[Row[Any]],
        advance: Callable[[int], None],
        rest: Callable[[float], None],
    ) -> int:
        """Change these rows, and return how many had changed meanwhile and need another pass."""
        began = time.monotonic()
        done = 0
        changes = [change for kept in rows if (change := self._change(row, kept))]
        # PostgreSQL locks rows, so one by one
        together = len(changes) if self.database.is_sqlite else 1
        for some in (changes[at : at + together] for at in range(0, len(changes), together or 1)):
            done += self.database.write(
                lambda connection, some=some: _apply(connection, row.table, some)  # type: ignore[misc]  # mypy infers no lambda with defaults
            )
        self.done[str(row.table.name)] += done
        advance(done)
        rest(time.monotonic() - began)
        return len(changes) - done

    # -- which rows

    def _sealer(self, row: EncryptedColumns) -> Sealer:
        """Return the sealer that decrypts the values of a row."""
        return (
            sealer_for_secrets(self.database.sealer.given, self.secret_key)
            if row.always
            else self.database.sealer
        )

    def _wanted(self, row: EncryptedColumns) -> Sealer | None:
        """Return the sealer that encrypts the values of a row, null for plaintext."""
        if row.always:
            return sealer_for_secrets((), self.secret_key) if self.clear else self._sealer(row)
        return None if self.clear else self.database.sealer

    def _wrong(self, row: EncryptedColumns) -> Any:
        new_sealer = self._wanted(row)
        right = (key_usage.EMPTY, key_usage.PLAINTEXT if new_sealer is None else new_sealer.first)
        states = [
            key_usage.key_expression(row.table.c[name], is_sqlite=self.database.is_sqlite)
            for name in row.columns
        ]
        wrong: list[Any] = [state.not_in(right) for state in states]
        if row.table is event and not self.clear:
            digest = event.c.body_sha256
            wrong.append((digest != EMPTY_SHA256) & ~digest.startswith(KEYED_PREFIX))
        return or_(*wrong)

    def _pages(self, row: EncryptedColumns) -> Iterator[Sequence[Row[Any]]]:
        """Yield the rows that have to change, the last first: see `key_usage.must_open`."""
        key = list(row.table.primary_key.columns)
        size = BODY_PAGE_ROWS if {"body", "inputs"} & set(row.columns) else PAGE_ROWS
        beside = [row.table.c[name] for name in DIGEST_COLUMNS if row.table is event]
        columns = dict.fromkeys(
            [*key, *(row.table.c[name] for name in (*row.named, *row.columns)), *beside]
        )
        query: Select[Any] = (
            select(*columns)
            .where(self._wrong(row))
            .order_by(*(column.desc() for column in key))
            .limit(size)
        )
        place: Any = None
        while True:
            page = query if place is None else query.where(tuple_(*key) < tuple_(*place))
            with self.database.read() as connection:
                rows = connection.execute(page).all()
            if rows:
                yield rows
            if len(rows) < size:
                return
            place = [rows[-1]._mapping[column.name] for column in key]

    # -- one row

    def _change(
        self, row: EncryptedColumns, kept: Row[Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return the values that a row must still have and its new ones; null for no change."""
        read = kept._mapping
        name = row_name(*(kept._mapping[key_column] for key_column in row.named))
        table = str(row.table.name)
        opener = self._sealer(row)
        new_sealer = self._wanted(row)
        new: dict[str, Any] = {}
        for column in row.columns:
            value = read[column]
            if not value or (new_sealer and key_id_of(value) == new_sealer.first):
                continue
            try:
                opened = (opener.open_old if row.always else opener.open)(
                    value, table, column, name
                )
            except DecryptionError as error:
                self.broken.append(str(error))
                continue
            new[column] = (
                mark_plaintext(opened)
                if new_sealer is None
                else new_sealer.seal(opened, table, column, name)
            )
        if row.table is event and not self.clear:
            new |= self._digests(read["source"], read["body_sha256"], read["provider_id"])
        new = {column: value for column, value in new.items() if value != read[column]}
        was = {column.name: read[column.name] for column in row.table.primary_key.columns} | {
            column: read[column] for column in new
        }
        return (was, new) if new else None

    def _digests(self, source: str, digest: str, provider_id: str | None) -> dict[str, str]:
        """Return the keyed digests of an event whose body is encrypted, as `receive` makes them."""
        if digest.startswith(KEYED_PREFIX):
            return {}
        keyed = keyed_sha256(self.secret_key, source, digest)
        return {"body_sha256": keyed} | (
            {"provider_id": keyed} if provider_id == f"sha256:{digest}" and keyed != digest else {}
        )


def _apply(
    connection: Connection, table: Table, changes: Sequence[tuple[dict[str, Any], dict[str, Any]]]
) -> int:
    """Change the rows that are still as they were read, and return how many."""
    changed = 0
    for was, new in changes:
        values = dict(new)
        if "provider_id" in values and _is_taken(connection, values["provider_id"], was):
            # the event came again after keys were set: the keyed id belongs to the later one
            del values["provider_id"]
        changed += connection.execute(
            update(table)
            .where(*(table.c[name] == value for name, value in was.items()))
            .values(values)
        ).rowcount
    return changed


def _is_taken(connection: Connection, provider_id: str, was: dict[str, Any]) -> bool:
    source = select(event.c.source).where(event.c.seq == was["seq"]).scalar_subquery()
    return (
        connection.execute(
            select(event.c.seq).where(event.c.source == source, event.c.provider_id == provider_id)
        ).first()
        is not None
    )
