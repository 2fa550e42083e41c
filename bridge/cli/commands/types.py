"""types: the event types that were seen, and the schema of a type's bodies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from bridge.cli.bridge.access import open_bridge
from bridge.cli.bridge.client import Bridge
from bridge.cli.completion_values import complete_sources
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.services.records.json_record import expect_shape, parse_time, require_time

if TYPE_CHECKING:
    from bridge.cli.bridge.transport import Shape
    from bridge.routing.schemas.drift import SchemaChange

MAX_SCHEMA_FILE_BYTES = 8 * 1024 * 1024
TYPE_COLUMNS = (
    Column("source"),
    Column("type"),
    Column("count", whole=True),
    Column("first", whole=True),
    Column("last", whole=True),
)
CHANGE_COLUMNS = (
    Column("change", whole=True),
    Column("path"),
    Column("before"),
    Column("now"),
)


@click.command()
@click.argument("source", required=False, shell_complete=complete_sources)
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option(
    "--schema",
    "schema_type",
    metavar="TYPE",
    help="Print a JSON Schema of `body`, made from the newest events of this type.",
)
@click.option(
    "--drift",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="With --schema: instead, print what is new or gone since the schema in this file.",
)
@AS_JSON
@click.pass_obj
def types(
    config: str | None,
    /,
    source: str | None,
    type_: str | None,
    schema_type: str | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """List the event types that were seen, of one source or one TYPE, with how many events of each
    came, and when the first and the last. The newest 200,000 events are counted.

    With --schema, the newest 1,000 events of a type are read. The schema has types and names of
    keys, no values, and accepts every body that it was made from. A further event can only make it
    accept more. Encrypted and redacted bodies are left out. Before you use it as `payload_schema`,
    read it: made from few events, it refuses valid ones, such as text where only null came.

    \b
    flowbridge types
    flowbridge types github
    flowbridge types github issues
    flowbridge types github --schema issues > schemas/issues.json
    flowbridge types github --schema issues --drift schemas/issues.json
    """
    if type_ is not None and schema_type is not None:
        raise click.UsageError("TYPE and --schema cannot be combined: --schema names the type")
    if schema_type is None and file is not None:
        raise click.UsageError("--drift needs --schema: the type of the events to compare")
    if schema_type is not None and source is None:
        raise click.UsageError("--schema needs the name of a source: flowbridge types SOURCE")
    before = None if file is None else _read_schema(file)
    with open_bridge(config) as bridge:
        if schema_type is None or source is None:
            _print_types(bridge, source, type_, as_json=as_json)
            return
        reply = bridge.infer_schema(source, schema_type)
    with expect_shape():
        _say_used(reply)
        if file is None:
            click.echo(output.json_text(reply["schema"], is_indented=not as_json))
        else:
            _print_drift(before, reply["schema"], file, as_json=as_json)


def _print_types(bridge: Bridge, source: str | None, type_: str | None, *, as_json: bool) -> None:
    reply = bridge.list_types(source)
    with expect_shape():
        items = [item for item in reply["items"] if type_ in (None, item["type"])]
        rows = [_type_row(shape) for shape in items]
        looked_until = reply["looked_until"]
    if as_json:
        output.json_lines(items)
    elif not tables.print_table(TYPE_COLUMNS, rows):
        what = " ".join(filter(None, ("events", source and "of", source, type_)))
        output.say(bridge.transport.explain_empty(what, source))
    if looked_until is not None:
        output.say(
            "There are more events: only those since"
            f" {output.utc(require_time(looked_until))} were counted."
        )


def _type_row(shape: Shape) -> tuple[str | None, ...]:
    first, last = (output.moment(parse_time(shape[name])) for name in ("first_at", "last_at"))
    return shape["source"], shape["type"], str(shape["count"]), first, last


def _say_used(reply: Any) -> None:
    left_out = ", ".join(f"{count} {reason}" for reason, count in reply["left_out"].items())
    output.say(
        f"From {output.number(reply['count'], 'body', 'bodies')}"
        + (f"; left out: {left_out}." if left_out else ".")
    )
    if reply["looked_until"] is not None:
        output.say(
            "There may be more events: only those since"
            f" {output.utc(require_time(reply['looked_until']))} were read."
        )


def _print_drift(before: Any, now: Any, file: Path, *, as_json: bool) -> None:
    from bridge.routing.schemas.drift import compare_schemas
    from bridge.services.records.report_records import SCHEMA_CHANGE

    changes = compare_schemas(before, now)
    if as_json:
        for change in changes:
            output.json_line(SCHEMA_CHANGE.write(change))
    elif not tables.print_table(CHANGE_COLUMNS, map(_row, changes)):
        output.say(f"Nothing is new or gone since {output.clean(file)}.")


def _row(change: SchemaChange) -> tuple[str, ...]:
    types = (change.before, change.now)
    before, now = (
        ", ".join(type_names) if isinstance(type_names, list) else "" for type_names in types
    )
    return change.change, change.path, before, now


def _read_schema(file: Path) -> Any:
    try:
        with file.open("rb") as opened:
            text = opened.read(MAX_SCHEMA_FILE_BYTES + 1)
        schema = orjson.loads(text)
    except OSError as error:
        raise click.UsageError(
            f"--drift {file}: the file cannot be read: {error.strerror}"
        ) from None
    except orjson.JSONDecodeError as error:
        too_large = len(text) > MAX_SCHEMA_FILE_BYTES
        why = f"it is larger than {MAX_SCHEMA_FILE_BYTES} bytes" if too_large else "it is not JSON"
        raise click.UsageError(f"--drift {file}: {why}: {error}") from None
    if not isinstance(schema, dict):
        raise click.UsageError(f"--drift {file}: it is not a JSON Schema, which is an object")
    return schema
