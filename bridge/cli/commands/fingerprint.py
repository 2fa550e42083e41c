"""fingerprint: what replaces a value that a source redacts."""

from __future__ import annotations

import sys

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON, require_existing
from bridge.cli.ui import output
from bridge.services.store_access import open_store


@click.command()
@click.argument("value")
@click.option(
    "--source",
    metavar="NAME",
    required=True,
    help="The source that it came in at: each has its own.",
)
@AS_JSON
@click.pass_obj
def fingerprint(config: str | None, /, value: str, source: str, as_json: bool) -> None:
    """Tell what stands in the place of VALUE in what a source with `redact` keeps; - reads the
    value from stdin, as it is.

    It is made with the secret key: who has the value can show by it that it was that value which
    came in.

    \b
    flowbridge fingerprint 078-05-1120 --source crm
    flowbridge events --body "$(flowbridge fingerprint 078-05-1120 --source crm)"
    """
    from bridge.ingest.redaction import mark

    settings = settings_of(config, secrets=True)
    with open_store(settings) as database:
        require_existing(settings, database, source=source)
    marked = mark(settings.secret_key, source, sys.stdin.read() if value == "-" else value)
    if as_json:
        output.json_line({"source": source, "fingerprint": marked})
    else:
        output.answer(marked)
