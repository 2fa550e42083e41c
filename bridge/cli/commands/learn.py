"""learn: let a source receive its secret from the sender, once and for a limited time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from bridge.cli.completion_values import complete_sources
from bridge.cli.lessons import open_lesson
from bridge.cli.option_types import DurationParam
from bridge.cli.ui import output

if TYPE_CHECKING:
    from bridge.cli.lessons import Lesson

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
    with open_lesson(config, source) as lesson:
        if not _wait(lesson, source, seconds):
            output.say("No secret was received. An earlier one stays valid.")
            sys.exit(1)
        output.say(f"Secret received: from now on {source} accepts requests signed with it.")
        if (secret := lesson.read_secret()) is not None:
            output.say("Enter this secret at the sender:")
            output.answer(secret)


def _wait(lesson: Lesson, source: str, seconds: float) -> bool:
    """Allow the source to receive its secret, and return whether it did in time."""
    began = time.time()
    before = lesson.find_learned_at()
    lesson.allow(seconds)
    try:
        output.say(f"{source} waits {seconds:g} seconds for its secret, at {lesson.address}")
        output.say(lesson.ask)
        while time.time() < began + seconds:
            if lesson.find_learned_at() != before:
                return True
            time.sleep(POLL_SECONDS)
        return False
    finally:
        lesson.end()
