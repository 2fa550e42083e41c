"""fingerprint: the token that replaces a redacted value."""

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
    help="The source that received it; the fingerprints of sources differ.",
)
@AS_JSON
@click.pass_obj
def fingerprint(config: str | None, /, value: str, source: str, as_json: bool) -> None:
    """Print the fingerprint that replaces VALUE in the events of a source with `redact`. - reads
    the value from stdin, unchanged.

    The fingerprint is a hash made with this bridge's secret key. With the value and that key, one
    can check that an event contained it.

    \b
    flowbridge fingerprint 078-05-1120 --source crm
    flowbridge events --body "$(flowbridge fingerprint 078-05-1120 --source crm)"
    """
    from bridge.ingest.redaction import redaction_mark

    settings = settings_of(config, secrets=True)
    with open_store(settings) as database:
        require_existing(settings, database, source=source)
    marked = redaction_mark(
        settings.secret_key, source, sys.stdin.read() if value == "-" else value
    )
    if as_json:
        output.json_line({"source": source, "fingerprint": marked})
    else:
        output.answer(marked)
