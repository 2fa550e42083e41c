"""schema: the JSON Schema of routes.yaml, for editors."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli.ui import output
from bridge.core.errors import BridgeError


@click.command()
@click.option(
    "--write",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Write it to this file.",
)
def schema(path: Path | None) -> None:
    """Print the JSON Schema of routes.yaml, for completion and checks in editors.

    Name the file in the first line of routes.yaml: # yaml-language-server: $schema=PATH

    \b
    flowbridge schema --write .flowbridge/routes.schema.json
    """
    from bridge.config.schema.json_schema import schema_text

    if path is None:
        click.echo(schema_text(), nl=False)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise BridgeError(f"{path} cannot be written: {error.strerror}") from error
    output.say(f"wrote {path}")
