"""import: another program's configuration becomes routes.yaml."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from bridge.cli.options import AS_JSON, wrong_usage
from bridge.cli.ui import output


@click.command("import")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, readable=False),  # read_texts says which and why
)
@click.option(
    "--from",
    "kind",
    metavar="KIND",
    help=(
        "The kind of the files, where it is not plain from them: webhook (hooks.json or hooks.yaml"
        " of adnanh/webhook), html (forms of Formspree, Netlify, Basin or Web3Forms), n8n"
        " (workflows with Webhook nodes), hookdeck (connections, rules or a filter, as JSON),"
        " convoy (subscriptions, sources or a filter, as JSON)."
    ),
)
@click.option(
    "--write",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help=(
        "Write routes.yaml, .env, .gitignore and the schema for editors into this folder. Nothing"
        " that exists is replaced."
    ),
)
@AS_JSON
@click.pass_obj
def import_(
    _config: str | None,
    /,
    files: tuple[Path, ...],
    kind: str | None,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Turn the configuration of another program into routes.yaml, with a report on each key.

    The report lists what was carried, what you must check, and what was not carried and why. Exit
    code 1: something was not carried. A route whose rules are not all carried is written with
    `mode: paused`.

    Without --write, routes.yaml is printed to stdout and the report to stderr. Secrets are only
    written to .env, with --write; routes.yaml refers to them as ${env:NAME}.

    \b
    flowbridge import hooks.json
    flowbridge import hooks.json --write my-hooks
    flowbridge import site/contact.html site/quote.html --write forms
    flowbridge import connections.json --write from-hookdeck
    flowbridge import filter.json --from hookdeck
    """
    from bridge.cli.commands.init import fixed_files
    from bridge.importers.import_files import check_routes, read_texts, write_files
    from bridge.importers.kinds import IMPORT_KINDS, import_files
    from bridge.importers.model import Carried
    from bridge.importers.report import finding_json, list_lines, summary_json
    from bridge.importers.routes_text import write_environment, write_routes

    if kind is not None and kind not in IMPORT_KINDS:
        raise click.UsageError(f"--from {kind!r} is not a kind; allowed: {', '.join(IMPORT_KINDS)}")
    with wrong_usage():
        result = import_files(read_texts(files), kind)
        routes = write_routes(result)
    environment, missing = write_environment(result.secrets)
    check_routes(routes, result.files)
    written: list[str] = []
    kept: list[Path] = []
    if folder is not None:
        fixed = fixed_files()
        kept = [folder / name for name in fixed if os.path.lexists(folder / name)]
        texts = {".env": (environment, 0o600), "routes.yaml": (routes, 0o644)}
        texts |= {name: (text, 0o644) for name, text in result.files.items()}
        texts |= {name: text for name, text in fixed.items() if folder / name not in kept}
        written = write_files(folder, texts)
    if as_json:
        output.json_lines([finding_json(finding) for finding in result.findings])
        output.json_line(summary_json(result, missing, None if written else routes, written))
    else:
        for path in written:
            output.answer(f"wrote  {path}")
        for file in kept:
            output.answer(f"kept   {file}")
        if not written:
            output.answer(routes.rstrip("\n"))
        for line in list_lines(result, missing):
            output.say(line)
    sys.exit(1 if result.count(Carried.NO) else 0)
