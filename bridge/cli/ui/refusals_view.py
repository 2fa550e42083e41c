"""The submissions of the last 24 hours that forms refused or marked as spam, with the next step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import click

from bridge.cli.ui import output
from bridge.core.advice import Advice
from bridge.core.status import SourceStatus
from bridge.monitoring.refused_submissions import find_next_step, find_spam_step

WIDTH: Final = 80  # columns


def print_refusals(sources: Iterable[SourceStatus]) -> None:
    """Print the refused submissions of each form that has some, with the next steps."""
    for source in sources:
        if not source.refused:
            continue
        total = output.number(sum(source.refused.values()), "submission")
        click.echo()
        click.echo(output.clean(f"form {source.name} refused {total} in 24 h:"))
        for code, count in source.refused.items():
            click.echo(f"  {count} {click.style(output.clean(code), fg='yellow')}")
            _print_step(find_next_step(code))


def print_spam(sources: Iterable[SourceStatus]) -> None:
    """Print how many submissions of each form are marked as spam, with the next step."""
    for source in sources:
        if source.spam:
            submissions = output.number(source.spam, "submission")
            click.echo()
            click.echo(output.clean(f"form {source.name} marked {submissions} as spam in 24 h"))
            _print_step(find_spam_step(source.name))


def _print_step(step: Advice) -> None:
    text = output.wrap_text(output.clean(step.sentence), 5, WIDTH)
    click.secho(f"  -> {text}", dim=True)
