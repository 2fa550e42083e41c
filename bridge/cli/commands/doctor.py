"""doctor: prove that the running bridge accepts good requests and refuses forgeries."""

from __future__ import annotations

import sys

import click

from bridge.cli.bridge_checks import open_checks
from bridge.cli.command_choices import write_choices
from bridge.cli.options import AS_JSON
from bridge.cli.ui import output, tables
from bridge.cli.ui.tables import Column
from bridge.services.bridge_checks.findings import CheckFinding, describe_result, sum_up

COLUMNS = (
    Column("check", whole=True),
    Column("of", whole=True),
    Column("result", style=output.find_colour, whole=True),
    Column("found", spare=True),
)


@click.command(epilog=write_choices("doctor"))
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

    With `flowbridge --server URL doctor`, this machine reaches that bridge and its public URL, and
    asks it for the rest. Signed requests need its secrets: `flowbridge doctor` on its machine tries
    them, and checks the modes of its files.

    \b
    flowbridge doctor
    flowbridge doctor -v
    flowbridge doctor --to https://hooks.example.com
    """
    findings: list[CheckFinding] = []
    with open_checks(config, to) as checks:
        for finding in checks.run():
            findings.append(finding)
            if as_json:
                output.json_line(finding.as_json())
    if not as_json:
        rows = findings if verbose else list(sum_up(findings))
        tables.print_table(COLUMNS, ((row.check, row.of, row.result, row.found) for row in rows))
    output.say(f"{len(findings)} checks at {checks.target}: {describe_result(findings)}")
    sys.exit(1 if any(finding.result == "error" for finding in findings) else 0)
