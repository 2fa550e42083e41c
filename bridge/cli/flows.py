"""flows: list and run the flows of a platform."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

import click
import orjson

from bridge.cli import output
from bridge.cli.output import Column
from bridge.cli.selection import AS_JSON, settings_of
from bridge.errors import BridgeError
from bridge.model import JSON, RUN_ENDED, Answer, Call, Delivery, Kind, Lost, Outcome, RunReport, RunState, Status

if TYPE_CHECKING:
    from bridge.platforms import PlatformType
    from bridge.routes import Config, Platform

COLUMNS = (Column("platform", whole=True), Column("flow", whole=True), Column("name", spare=True), Column("description"))
PATIENCE = 10  # looks in a row that may fail before the wait is given up


@click.group()
def flows() -> None:
    """List and run the saved flows of a platform of routes.yaml."""


@flows.command("list")
@click.argument("platform", required=False)
@AS_JSON
@click.pass_obj
def list_(config: str | None, /, platform: str | None, as_json: bool) -> None:
    """List the flows of a platform, or of all that have a list. The local platform's are asked of a running `flowbridge serve`.

    \b
    flowbridge flows list
    flowbridge flows list gumloop --json
    """
    found = _config(config)
    asked = [_platform(found, platform)] if platform else list(found.platforms.values())
    listed = [(one, item) for one in asked if platform or _kind(one).has_runs for item in _saved_items(one)]
    if as_json:
        for one, item in listed:
            names = ("saved_item_id", "name", "description", "created_ts")
            output.json_line({"platform": one.name} | {name: item.get(name) for name in names})
        return
    rows = ((one.name, item.get("saved_item_id"), item.get("name"), _first_line(item.get("description"))) for one, item in listed)
    if output.print_table(COLUMNS, rows) == 0:
        output.say("No flows. Save one on the platform, or write one into flows.py.")


def _saved_items(platform: Platform) -> Iterator[Mapping[str, JSON]]:
    """Yield the platform's flows as GET /list_saved_items lists them; `BridgeError` where it has no such list or is silent."""
    kind = _kind(platform)
    if kind.build_run is None:
        raise BridgeError(f"the platform {platform.name!r} ({platform.type}) has no list of flows")
    look = kind.build_run(platform, "-")  # for its headers: a list is asked for as a run is
    parts = urlsplit(look.url)
    query = {"user_id": platform.user_id} | ({"project_id": platform.project_id} if platform.project_id else {})
    url = urlunsplit((*parts[:2], parts.path.rpartition("/")[0] + "/list_saved_items", urlencode(query), ""))
    answer = _send(platform, replace(look, url=url))
    try:
        items = orjson.loads(answer.body)["saved_items"] if answer.status // 100 == 2 else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        items = None
    if not isinstance(items, list):
        raise BridgeError(f"{platform.name}: {_words(answer)}")
    yield from (item for item in items if isinstance(item, dict))


@flows.command()
@click.argument("flow")
@click.option("--input", "pairs", metavar="NAME=VALUE", multiple=True, help="One input, as text; may be given many times.")
@click.option("--json-input", metavar="OBJECT", help="Inputs as a JSON object; --input adds to them.")
@click.option("--wait", is_flag=True, help="Wait for the run's end and print its outputs.")
@AS_JSON
@click.pass_obj
def run(config: str | None, /, flow: str, pairs: tuple[str, ...], json_input: str | None, wait: bool, as_json: bool) -> None:
    """Start a flow by hand: the name of a flow in routes.yaml, or PLATFORM/FLOW. It is no delivery, and nothing of it is kept.

    Exit code 1: it did not start, or with --wait its run did not end as done.

    \b
    flowbridge flows run local/echo --input name=Ada --wait
    flowbridge flows run triage --json-input '{"title": "Broken", "labels": ["bug"]}'
    """
    found = _config(config)
    platform, saved_item_id = _flow(found, flow)
    outcome = _start(platform, saved_item_id, _inputs(pairs, json_input))
    report = RunReport(state=None)
    if not as_json:
        said = outcome.kind.value + (f": {outcome.detail}" if outcome.detail else "")
        output.say(" ".join(filter(None, (said, outcome.run_url))))
    if outcome.kind is Kind.STARTED and wait and outcome.run_id:
        report = _wait(platform, outcome.run_id)
    if as_json:
        start = {"outcome": outcome.kind, "detail": outcome.detail or None, "run_id": outcome.run_id, "run_url": outcome.run_url}
        ended = {"run_state": report.state, "outputs": report.outputs, "log": list(report.log)}
        output.json_line({"platform": platform.name, "saved_item_id": saved_item_id} | start | ended)
    else:
        _print_run(outcome, report)
    sys.exit(0 if outcome.kind is Kind.STARTED and report.state in (None, RunState.DONE) else 1)


def _print_run(outcome: Outcome, report: RunReport) -> None:
    if outcome.run_id:
        output.answer(outcome.run_id)
    if report.state is None:
        return
    for line in report.log:
        output.say(f"  {line}")
    click.echo(click.style(report.state.value, fg=output.styled(report.state)), err=True)
    click.echo(output.indented(report.outputs))


def _inputs(pairs: tuple[str, ...], text: str | None) -> dict[str, JSON]:
    try:
        inputs = orjson.loads(text) if text is not None else {}
    except orjson.JSONDecodeError as error:
        raise click.UsageError(f"--json-input is not JSON: {error}") from None
    if not isinstance(inputs, dict):
        raise click.UsageError("--json-input must be an object, such as '{\"title\": \"Broken\"}'")
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--input {pair!r} is not NAME=VALUE")
        inputs[name] = value
    return inputs


def _start(platform: Platform, saved_item_id: str, inputs: dict[str, JSON]) -> Outcome:
    now = time.time()
    by_hand = Delivery(id=f"run_{os.urandom(8).hex()}", event_id="", route="", flow="", platform=platform.name, config_hash="",
                       saved_item_id=saved_item_id, inputs=inputs, status=Status.SENDING, created_at=now, due_at=now)  # fmt: skip
    kind = _kind(platform)
    return kind.read_start(_send(platform, kind.build_start(platform, by_hand)), time.time())


def _wait(platform: Platform, run_id: str) -> RunReport:
    kind = _kind(platform)
    if kind.build_run is None or kind.read_run is None or kind.polling is None:
        raise BridgeError(f"the platform {platform.name!r} ({platform.type}) has no runs to wait for")
    failed = looks = 0
    while True:
        time.sleep(kind.polling.delay(looks))
        looks += 1
        report = kind.read_run(_send(platform, kind.build_run(platform, run_id)))
        if report.state in RUN_ENDED:
            return report
        failed = failed + 1 if report.state is None else 0
        if report.gone or failed >= PATIENCE:
            raise BridgeError(f"run {run_id}: {report.detail}")


# -- the platform


def _config(config: str | None) -> Config:
    from bridge.start import load_all

    return load_all(settings_of(config, secrets=True)).config


def _kind(platform: Platform) -> PlatformType:
    from bridge.platforms import PLATFORMS

    return PLATFORMS[platform.type]


def _platform(config: Config, name: str) -> Platform:
    from bridge.expressions import near

    if name not in config.platforms:
        known = ", ".join(config.platforms) or "none"
        raise click.UsageError(f"routes.yaml has no platform {name!r}; {near(name, config.platforms)}it has: {known}")
    return config.platforms[name]


def _flow(config: Config, name: str) -> tuple[Platform, str]:
    if name in config.flows:
        flow = config.flows[name]
        return config.platforms[flow.platform], flow.saved_item_id
    platform, slash, saved_item_id = name.partition("/")
    if not slash or not saved_item_id:
        known = ", ".join(config.flows) or "none"
        raise click.UsageError(f"routes.yaml has no flow {name!r}; it has: {known}. PLATFORM/FLOW will do, too")
    return _platform(config, platform), saved_item_id


def _send(platform: Platform, call: Call) -> Answer:
    from bridge.send import Sender

    sender = Sender()
    answer = sender.send(call, platform.timeout)
    sender.close()
    if isinstance(answer, Lost):
        hint = " (its flows run inside `flowbridge serve`: is it running?)" if platform.type == "local" else ""
        sent = " It was sent, so a run may exist." if answer.sent and call.method == "POST" else ""
        raise BridgeError(f"{platform.name}: {answer.reason}{hint}{sent}")
    return answer


def _words(answer: Answer) -> str:
    from bridge.platforms.answers import error_text

    return error_text(answer) if answer.status // 100 != 2 else "the answer holds no list of flows"


def _first_line(text: JSON) -> str:
    return text.strip().partition("\n")[0] if isinstance(text, str) else ""
