"""The flow append_csv."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from bridge.core.model import JSON
from bridge.flows.context import current, log
from bridge.flows.errors import FlowError
from bridge.flows.function import flow
from bridge.flows.ready.csv_format import (
    BOM,
    MAX_HEADER_ROW_BYTES,
    RECORD_END,
    find_delimiter,
    format_cell,
    format_record,
    is_quote_open,
    pad_records,
    read_header,
)
from bridge.flows.ready.files import LockedFile, lock_file
from bridge.flows.ready.inputs import boolean, shorten

MAX_COLUMNS: Final = 500  # limits senders who can choose the names
MAX_NAME_CHARACTERS: Final = 200  # characters


@flow
def append_csv(
    file: str = "events.csv",
    bom: bool = True,
    fields: dict[str, JSON] | None = None,
    **inputs: JSON,
) -> dict[str, JSON]:
    """Appends the time and the inputs as a row to the CSV `file` in `files` of the data folder.

    The first row names the columns: `received_at`, then the inputs in their order, then each of
    `fields`. An input without a column gets a new one at the right end, which is empty in existing
    rows. `bom: false` starts a new file without the mark by which spreadsheets recognize UTF-8.
    """
    received_at = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%d %H:%M:%S")
    columns = {"received_at": received_at, **inputs}
    cells = _cells(
        [
            *columns.items(),
            *(
                fields.items()
                if isinstance(fields, dict)
                else [("fields", fields)]
                if fields
                else []
            ),
        ]
    )
    with_bom = boolean("bom", bom)
    with lock_file(current().data_dir / "files", file, "orders/new.csv") as opened:
        added, size = _add(opened, cells, with_bom)
    if added:
        log(f"new columns in {file}: {', '.join(map(shorten, added))}")
    log(f"appended a row to {file}")
    return {"file": str(file), "new_columns": list(added), "size": size}


def _cells(inputs: Iterable[tuple[str, JSON]]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for name, value in inputs:
        column = format_cell(name)
        if len(column) > MAX_NAME_CHARACTERS:
            raise FlowError(
                f"the name of column {shorten(column)} has {len(column)} characters; at most"
                f" {MAX_NAME_CHARACTERS} are allowed"
            )
        if column in cells:
            raise FlowError(
                f"two inputs have the column {shorten(column)}; each needs a unique name"
            )
        cells[column] = format_cell(value)
    return cells


def _add(opened: LockedFile, cells: dict[str, str], bom: bool) -> tuple[list[str], int]:
    """Add the row. Return the new columns and the file's size."""
    if not opened.size or (opened.size == len(BOM) and opened.ends_with(BOM)):
        _bounded(len(cells))
        return list(cells), opened.replace(
            [
                BOM if bom or opened.size else b"",
                format_record(cells),
                format_record(cells.values()),
            ]
        )
    with opened.reading() as lines:
        delimiter = find_delimiter(lines.readline(MAX_HEADER_ROW_BYTES))
        lines.seek(0)
        names, raw = read_header(lines, delimiter)
    added = [name for name in cells if name not in names]
    row = _row(names + added, cells, delimiter)
    if not added:
        return [], opened.append(_missing_end(opened, delimiter) + row)
    _bounded(len(names) + len(added))
    return added, opened.replace(_widened(opened, raw, added, delimiter, row))


def _row(names: list[str], cells: dict[str, str], delimiter: str) -> bytes:
    """Return the record in column order; of two columns with one name, the first has the value."""
    waiting = dict(cells)
    return format_record((waiting.pop(name, "") for name in names), delimiter)


def _bounded(columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise FlowError(
            f"the file would have {columns} columns; at most {MAX_COLUMNS} are allowed: name the"
            " route's inputs one by one"
        )


def _missing_end(opened: LockedFile, delimiter: str) -> bytes:
    """Return the missing end of the last record, after a crash or an editor left it open."""
    if opened.ends_with(RECORD_END.encode()):
        return b""
    inside = False
    with opened.reading() as lines:
        for line in lines:
            inside = is_quote_open(line, inside, delimiter)
    return (
        b'"' + RECORD_END.encode()
        if inside
        else b""
        if opened.ends_with(b"\n")
        else RECORD_END.encode()
    )


def _widened(
    opened: LockedFile, raw: bytes, added: list[str], delimiter: str, row: bytes
) -> Iterator[bytes]:
    """Yield the whole file with the new columns; existing bytes are unchanged."""
    with opened.reading() as lines:
        lines.seek(len(raw))
        end = lines.readline() or RECORD_END.encode()
        named = format_record(added, delimiter).removesuffix(RECORD_END.encode())
        yield raw + (delimiter.encode() if raw.removeprefix(BOM) else b"") + named + end
        yield from pad_records(lines, delimiter.encode() * len(added), delimiter)
    yield row
