"""learn: let a source receive its secret from the sender, once and for a limited time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from bridge.cli.bridge.access import open_bridge
from bridge.cli.bridge.request_parts import quote_id
from bridge.cli.completion_values import complete_sources
from bridge.cli.option_types import DurationParam
from bridge.cli.ui import output
from bridge.services.records.json_record import expect_shape

if TYPE_CHECKING:
    from bridge.cli.bridge.client import Bridge
    from bridge.cli.bridge.transport import Shape

POLL_SECONDS = 0.3


@click.command()
@click.argument("source", shell_complete=complete_sources)
@click.option(
    "--for",
    "seconds",
    type=DurationParam(),
    default="10m",
    show_default=True,
    metavar="TIME",
    help="How long to wait.",
)
@click.pass_obj
def learn(config: str | None, /, source: str, seconds: float) -> None:
    """Let a source receive its secret: some senders (Asana, Notion) deliver it once, in a request
    that is not signed.

    Such a request is accepted only while this command waits, and only the first one. An earlier
    secret stays valid until then.

    \b
    flowbridge learn asana
    flowbridge learn notion --for 30m
    """
    with open_bridge(config, is_changed=True) as bridge, expect_shape():
        path = f"/sources/{quote_id(source)}/learn"
        learning = bridge.get(path)
        if not _wait(bridge, path, learning, seconds):
            output.say("No secret was received. An earlier one stays valid.")
            sys.exit(1)
        output.say(f"Secret received: from now on {source} accepts requests signed with it.")
        if learning["shown"]:
            output.say("Enter this secret at the sender:")
            output.answer(str(bridge.transport.read_learned_secret(source)))


def _wait(bridge: Bridge, path: str, before: Shape, seconds: float) -> bool:
    """Allow the source to receive its secret, and return whether it did in time."""
    ends_at = time.time() + seconds
    bridge.post(path, {"seconds": round(seconds) or 1})
    try:
        output.say(
            f"{before['source']} waits {seconds:g} seconds for its secret, at {before['url']}"
        )
        output.say(str(before["ask"]))
        while time.time() < ends_at:
            if bridge.get(path)["learned_at"] != before["learned_at"]:
                return True
            time.sleep(POLL_SECONDS)
        return False
    finally:
        bridge.transport.delete(path)
