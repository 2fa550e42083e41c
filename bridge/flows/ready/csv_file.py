"""append_csv."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from bridge.core.model import JSON
from bridge.flows.context import current, log
from bridge.flows.function import FlowError, flow
from bridge.flows.ready.csv_format import (
    BOM,
    END,
    HEADER_MAX,
    cell,
    delimiter_of,
    header,
    is_open,
    padded,
    record,
)
from bridge.flows.ready.files import Locked, locked
from bridge.flows.ready.inputs import shown, yes_no

MAX_COLUMNS: Final = 500  # a sender who may choose the names cannot make more
NAME_LENGTH: Final = 200  # characters


@flow
def append_csv(
    file: str = "events.csv",
    bom: bool = True,
    fields: dict[str, JSON] | None = None,
    **inputs: JSON,
) -> dict[str, JSON]:
    """Appends the time and the inputs as a row to the CSV `file` in `files` of the data folder.

    The first row names the columns: `received_at`, then the inputs in their order, then each of
    `fields`. What has no column gets one at the right end; rows that are there already have it
    empty. `bom: false` begins a new file without the mark by which spreadsheets know UTF-8.
    """
    received_at = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%d %H:%M:%S")
    given = {"received_at": received_at, **inputs}
    cells = _cells(
        [
            *given.items(),
            *(
                fields.items()
                if isinstance(fields, dict)
                else [("fields", fields)]
                if fields
                else []
            ),
        ]
    )
    with_bom = yes_no("bom", bom)
    with locked(current().data_dir / "files", file, "orders/new.csv") as opened:
        added, size = _add(opened, cells, with_bom)
    if added:
        log(f"new columns in {file}: {', '.join(map(shown, added))}")
    log(f"appended a row to {file}")
    return {"file": str(file), "new_columns": list(added), "size": size}


def _cells(inputs: Iterable[tuple[str, JSON]]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for name, value in inputs:
        column = cell(name)
        if len(column) > NAME_LENGTH:
            raise FlowError(
                f"the column {shown(column)} has a name of {len(column)} characters; at most"
                f" {NAME_LENGTH} are allowed"
            )
        if column in cells:
            raise FlowError(
                f"two inputs would be the column {shown(column)}; each needs a name of its own"
            )
        cells[column] = cell(value)
    return cells


def _add(opened: Locked, cells: dict[str, str], bom: bool) -> tuple[list[str], int]:
    """Add the row and return the columns that had to be made, and the file's size."""
    if not opened.size or (opened.size == len(BOM) and opened.ends_with(BOM)):
        _bounded(len(cells))
        return list(cells), opened.replace(
            [BOM if bom or opened.size else b"", record(cells), record(cells.values())]
        )
    with opened.reading() as lines:
        delimiter = delimiter_of(lines.readline(HEADER_MAX))
        lines.seek(0)
        names, raw = header(lines, delimiter)
    added = [name for name in cells if name not in names]
    row = _row(names + added, cells, delimiter)
    if not added:
        return [], opened.append(_missing_end(opened, delimiter) + row)
    _bounded(len(names) + len(added))
    return added, opened.replace(_widened(opened, raw, added, delimiter, row))


def _row(names: list[str], cells: dict[str, str], delimiter: str) -> bytes:
    """Return the record in the order of the columns; of two columns of one name, the first has the
    value.
    """
    waiting = dict(cells)
    return record((waiting.pop(name, "") for name in names), delimiter)


def _bounded(columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise FlowError(
            f"the file would have {columns} columns; at most {MAX_COLUMNS} are allowed: name the"
            " route's inputs one by one"
        )


def _missing_end(opened: Locked, delimiter: str) -> bytes:
    """Return what ends the last record where a crash or an editor left it without its end."""
    if opened.ends_with(END.encode()):
        return b""
    inside = False
    with opened.reading() as lines:
        for line in lines:
            inside = is_open(line, inside, delimiter)
    return b'"' + END.encode() if inside else b"" if opened.ends_with(b"\n") else END.encode()


def _widened(
    opened: Locked, raw: bytes, added: list[str], delimiter: str, row: bytes
) -> Iterator[bytes]:
    """Yield the whole file with the new columns: what is there keeps its bytes."""
    with opened.reading() as lines:
        lines.seek(len(raw))
        end = lines.readline() or END.encode()
        named = record(added, delimiter).removesuffix(END.encode())
        yield raw + (delimiter.encode() if raw.removeprefix(BOM) else b"") + named + end
        yield from padded(lines, delimiter.encode() * len(added), delimiter)
    yield row
