"""doctor: prove that the running bridge accepts good requests and refuses forgeries."""

from __future__ import annotations

import sys
import time
from itertools import chain
from typing import TYPE_CHECKING

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.options import AS_JSON, parse_url
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.cli.usable_config import with_learned_secrets
from bridge.services.bridge_checks.examination import DryRuns, Examination
from bridge.services.bridge_checks.findings import CheckFinding, describe_result, sum_up
from bridge.services.bridge_checks.secret_use import find_secret_use
from bridge.services.file_modes import find_exposed_files
from bridge.services.usable_config import load_present
from bridge.web import dry_run

if TYPE_CHECKING:
    from bridge.config.settings import Settings

COLUMNS = (
    Column("check", whole=True),
    Column("of", whole=True),
    Column("result", style=output.find_colour, whole=True),
    Column("found", spare=True),
)


@click.command()
@click.option(
    "--to",
    metavar="URL",
    help="The bridge to test (default: FLOWBRIDGE_PUBLIC_URL, else its local address).",
)
@click.option(
    "-v", "--verbose", is_flag=True, help="Print a row for each check, also for those that passed."
)
@AS_JSON
@click.pass_obj
def doctor(config: str | None, /, to: str | None, verbose: bool, as_json: bool) -> None:
    """Check that the running bridge accepts valid requests and refuses forgeries: each source gets
    a valid sample and forgeries of it, as dry runs.

    Nothing is stored, so replays cannot be tested. The command also checks the public URL, its
    certificate, the clock, the largest body that a proxy lets through, and when each of several
    secrets was last used. Exit code 1: a check failed.

    \b
    flowbridge doctor
    flowbridge doctor -v
    flowbridge doctor --to https://hooks.example.com
    """
    from bridge.system.http_client import HttpClient

    settings = settings_of(config, secrets=True)
    read = load_present(settings)
    sources = with_learned_secrets(config, read.sources)
    target = _choose_target(to, settings)
    sender = HttpClient()
    dry_runs = DryRuns(dry_run.HEADER, dry_run.DONE, dry_run.sign_token, dry_run.find_changes)
    examination = Examination(sender, target, settings, dry_runs)
    findings: list[CheckFinding] = []
    exposed = (
        CheckFinding("file modes", "-", "warning", text)
        for text in find_exposed_files(settings, read.canonical)
    )
    try:
        used = find_secret_use(settings, sources.values(), time.time())
        for finding in chain(examination.run(list(sources.values())), used, exposed):
            findings.append(finding)
            if as_json:
                output.json_line(finding.as_json())
    finally:
        sender.close()
    if not as_json:
        shown = findings if verbose else list(sum_up(findings))
        tables.print_table(COLUMNS, ((one.check, one.of, one.result, one.found) for one in shown))
    output.say(f"{len(findings)} checks at {target}: {describe_result(findings)}")
    sys.exit(1 if any(one.result == "error" for one in findings) else 0)


def _choose_target(to: str | None, settings: Settings) -> str:
    """Return the URL of the bridge to test. `to`: the value of --to."""
    if to:
        return parse_url(to).rstrip("/")
    return (settings.public_url or settings.bound_url).rstrip("/")
