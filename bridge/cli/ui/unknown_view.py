"""What is known of deliveries whose outcome is unknown, and the commands that settle each:
`flowbridge resolve` without --as.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click
import orjson

from bridge.cli.actions.run import Asked
from bridge.cli.options import existing, filters, searching
from bridge.cli.ui import output
from bridge.core.errors import ConfigError, NotFound
from bridge.core.model import JSON, Delivery, Status
from bridge.delivery.next_steps import Known, Need, find_need, find_settling_steps
from bridge.delivery.obstacles import failed_look
from bridge.delivery.wait_reasons import Wait
from bridge.monitoring.serializers import attempt_json, delivery_json, evidence_json, iso
from bridge.services.delivery_states import describe_status
from bridge.services.selection import Selection, select_names, select_unknown, unknown_states
from bridge.services.store_access import open_store

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.model import Attempt
    from bridge.routing.model import Config
    from bridge.store.db.database import Database

WINDOW = "looked for"  # the name of the line that says of which time
NEVER = "not yet, in the platform's list of runs"
NOT_ASKED = "no: its route says on_unknown: {}"
#: What can be said of an unknown delivery, and when.
SETTLING = (
    ("delivered --run-id {run}", "if it ran"),
    ("queued", "if it did not"),
    ("dead", "to give up"),
)
#: Of the evidence: what looks tell later looks, and what is shown in other words.
BESIDE = (
    "attempt",
    "covered",
    "empty_at",
    "run_id",
    "clock_step",
    "problem",
    "status_code",
    "failing_since",
)


def show_unknown(settings: Settings, names: Sequence[str], asked: Asked) -> None:
    """Print each unknown delivery that is named or chosen (all, where nothing is asked for), newest
    first, with what is known of it.
    """
    if names and asked.is_filtered:
        raise click.UsageError("ids and filters do not go together")
    if asked.dry_run or asked.yes or asked.rate:
        raise click.UsageError("nothing is done without --as; it is one of delivered, queued, dead")
    chosen = Selection(ids=())
    with open_store(settings) as database:
        existing(settings, database, **asked.chosen)
        if database is not None:
            chosen = _found(database, names, asked)
            config = _config(settings) if chosen.ids else None
            for place, id_ in enumerate(chosen.ids):
                if place and not asked.as_json:
                    click.echo()
                _show(database, id_, config, as_json=asked.as_json)
        elif names:
            raise NotFound("nothing was received yet: there is no database")
    for name, problem in chosen.problems.items():
        output.say(f"{name}: {problem}")
    if not chosen.ids and not chosen.problems:
        output.say(
            "No deliveries like that are unknown."
            if asked.is_filtered
            else "No delivery is unknown."
        )
    elif len(chosen.ids) > 1 and not asked.as_json and output.on_terminal():
        output.say(
            f"\n{len(chosen.ids)} are unknown. Filters settle many at once: flowbridge resolve"
            " --route NAME --as queued"
        )
    sys.exit(1 if chosen.problems else 0)


def _found(database: Database, names: Sequence[str], asked: Asked) -> Selection:
    if names:
        return select_names(names, lambda name: _unknown_of(database, name))
    wanted = filters(**asked.chosen)
    searching(database, wanted, of_deliveries=True, also=unknown_states())
    return select_unknown(database, wanted, asked.limit)


def _unknown_of(database: Database, name: str) -> list[str]:
    from bridge.store.inbound import events
    from bridge.store.queries import events as queries

    event_id, delivery_id = queries.find(database, name)
    found = events.deliveries_of(database, [event_id])[event_id]
    asked = [one for one in found if delivery_id in (None, one.id)]
    unknown = [one.id for one in asked if one.status is Status.UNKNOWN]
    if not unknown:
        stands = ", ".join(describe_status(one) for one in asked) or "without a delivery"
        raise NotFound(f"it is {stands}: only one whose outcome is unknown is resolved")
    return unknown


def _show(database: Database, id_: str, config: Config | None, *, as_json: bool) -> None:
    """Print one. It may have been settled since it was chosen, and says so by its status."""
    from bridge.store.queries import events as queries
    from bridge.store.queries import wait_facts

    found = queries.show(database, id_)
    now = time.time()
    one = next(each for each in found.deliveries if each.id == id_)
    lost = [each for each in found.attempts[id_] if each.run_id is None][-1:]
    near = queries.latest_run(database, one)
    wait = wait_facts.waits_of(database, [one], config, now).get(id_)
    if as_json:
        output.json_line(_json(one, lost, near, wait))
        return
    click.secho(output.clean(id_), bold=True)
    output.line("route", f"{one.route} → {one.flow}")
    output.line(
        "event", f"{found.event.id}  {found.event.source} {found.event.type or ''}".rstrip()
    )
    output.line("status", describe_status(one), "yellow")
    output.line("reason", one.reason, "yellow")
    for each in lost:
        output.line(
            "the call",
            f"attempt {each.number}, from {iso(each.started_at)} to"
            f" {iso(each.finished_at) or 'nobody knows when'}",
        )
        output.line("how it ended", ": ".join(filter(None, (each.outcome, each.detail))))
    never = _never(one, wait)
    for name, value in told(one.evidence) if one.evidence is not None else [("looked", never)]:
        output.line(name, value)
    output.line("look at", f"flowbridge flows runs {one.platform}/{one.saved_item_id}")
    output.line("a run near it", near and (output.run_link(near) or near.run_id))
    commands = _commands(one, wait)
    for row, step in enumerate(find_settling_steps(one, _known(wait).obstacle, now)):
        output.line("" if row else "next", step)
    if not commands:
        output.line("", "flowbridge resolve is for what stays unknown")
    for command, when in commands:
        output.line(when, command)


def _json(
    one: Delivery, lost: Sequence[Attempt], near: Delivery | None, wait: Wait | None
) -> dict[str, JSON]:
    """The delivery's keys, and what is known of its start.

    `evidence`, `attempt` (the call that was lost), `near` (the latest run of the flow), `look_at`
    and `commands`.
    """
    return delivery_json(one) | {
        "evidence": evidence_json(one.evidence),
        "attempt": attempt_json(lost[0]) if lost else None,
        "near": (
            near
            and {
                "run_id": near.run_id,
                "run_url": near.run_url,
                "delivered_at": iso(near.delivered_at),
            }
        ),
        "look_at": iso(one.look_at),
        "commands": [command for command, _ in _commands(one, wait)],
    }


def _commands(one: Delivery, wait: Wait | None) -> list[tuple[str, str]]:
    """Return the commands that settle a delivery, each with when it is right; none where it settles
    itself.

    While flowbridge still looks for the run, only a command with --force settles it.
    """
    if find_need(one, _known(wait)) is not Need.DECISION:
        return []
    run = _run_of(one.evidence)
    force = "" if one.look_at is None else " --force"
    return [
        (f"flowbridge resolve {one.id} --as {said.format(run=run)}{force}", when)
        for said, when in SETTLING
    ]


def _known(wait: Wait | None) -> Known:
    return Known(obstacle=wait.obstacle if wait is not None else None)


def _never(one: Delivery, wait: Wait | None) -> str:
    """Return why the platform's list of runs was not asked for yet."""
    if one.on_unknown != "reconcile":
        return NOT_ASKED.format(one.on_unknown)
    obstacle = wait.obstacle if wait is not None else None
    return NEVER if obstacle is None else f"{NEVER}: {obstacle.problem}"


def _config(settings: Settings) -> Config | None:
    """Return the configuration of the files, null where they cannot be used."""
    from bridge.config.loader import load

    with suppress(ConfigError):
        return load(settings.config, settings.environ, strict_secrets=False)
    return None


def told(evidence: JSON) -> list[tuple[str, str]]:
    """Return what the platform's list of runs said last, as names and values."""
    if not isinstance(evidence, dict):
        return [("evidence", orjson.dumps(evidence).decode())]
    left = {
        name: value for name, value in evidence_json(evidence).items() if value not in (None, [])
    }
    lines = []
    if "since" in left and "until" in left:
        lines.append((WINDOW, f"a run created from {left.pop('since')} to {left.pop('until')}"))
    if "looks" in left and "looked_at" in left:
        whole = "all of that time" if left.pop("covers", None) else "not all of that time"
        times = left.pop("looks")
        looks = f"{output.number(times, 'time')}, last at {left.pop('looked_at')}"
        listed = left.pop("listed", None)
        problem, _ = failed_look(evidence)
        if problem is not None:
            # they say the same
            left = {name: value for name, value in left.items() if name not in ("why", "decided")}
            since = (
                f"; none since {left.pop('failing_since')}"
                if "failing_since" in left and times > 1
                else ""
            )
            lines.append(("looked", f"{looks}: no list of runs came{since}"))
            lines.append(("answer", problem))
        else:
            lines.append(
                (
                    "looked",
                    (
                        f"{looks}: the list held"
                        f" {output.number(listed, 'run') if listed else 'no runs'}, {whole}"
                    ),
                )
            )
    lines += [("found", _candidate(each)) for each in left.pop("candidates", ())]
    lines += [("or of", str(each)) for each in left.pop("others", ())]
    if "why" in left:
        lines.append(("decided", f"{left.pop('decided', 'nothing')}: {left.pop('why')}"))
    for name in BESIDE:
        left.pop(name, None)
    return lines + [
        (name.replace("_", " "), value if isinstance(value, str) else orjson.dumps(value).decode())
        for name, value in left.items()
    ]


def _candidate(one: JSON) -> str:
    if not isinstance(one, dict):
        return str(one)
    created = f", created {one['created_at']}" if one.get("created_at") else ""
    echo = f", its outputs have the id of the {one['echo']}" if one.get("echo") else ""
    return f"{one.get('run_id')} ({one.get('state') or 'state unknown'}){created}{echo}"


def _run_of(evidence: JSON) -> str:
    """Return the run that may be the delivery's, a word for it where there are several or none."""
    found = evidence.get("candidates") if isinstance(evidence, dict) else None
    known = [each.get("run_id") for each in found or () if isinstance(each, dict)]
    return str(known[0]) if len(known) == 1 and known[0] else "RUN"
