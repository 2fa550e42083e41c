"""The request of an event or a reject on the screen: headers, query and body."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click
import orjson

from bridge.cli.ui import output
from bridge.cli.ui.text_blocks import SHOW_ALL_HINT, shorten
from bridge.core.json_values import write_json
from bridge.core.model import Event, Reject
from bridge.core.retention import is_content_deleted

if TYPE_CHECKING:
    from bridge.services.events.event_screen import EventScreen


def print_event_request(
    screen: EventScreen, *, whole: bool = False, is_folded: bool = False
) -> None:
    """Print the request of an event, or that it is hidden."""
    if screen.has_contents:
        print_request(screen.event, whole=whole, is_folded=is_folded)
    else:
        print_hidden_request()


def print_hidden_request() -> None:
    """Print that the token of the reader may not see requests."""
    click.secho("request", bold=True)
    click.echo("  not shown: the token lacks the scope `bodies`")


def print_request(event: Event | Reject, *, whole: bool = False, is_folded: bool = False) -> None:
    """Print the headers, the query and the body of an event or a reject."""
    click.secho("request", bold=True, nl=not is_folded)
    if is_folded:
        headers = output.number(len(event.headers), "header")
        size = output.number(len(event.body), "byte")
        click.secho(f"  ({headers}, a body of {size}: {SHOW_ALL_HINT})", dim=True)
    for name, value in event.headers.items() if not is_folded else ():
        click.echo(f"  {output.clean(name)}: {output.clean(value)}")
    if event.query_string:
        click.echo(f"  ?{output.clean(event.query_string)}")
    if not is_folded:
        click.echo()
    if isinstance(event, Event) and is_content_deleted(event):
        click.echo(
            "  the `retention` of its source deleted its body, and the inputs and outputs of its"
            " deliveries"
        )
        return
    if is_folded:
        return
    try:
        text = event.body.decode()
    except UnicodeDecodeError:
        click.echo(
            f"  {output.number(len(event.body), 'byte')} of binary data: --json shows them in"
            " base64"
        )
        return
    with suppress(orjson.JSONDecodeError):  # other text is shown unchanged
        text = write_json(orjson.loads(text), is_indented=True).decode()
    click.echo(
        "\n".join(
            f"  {line}" for line in output.clean_lines(text if whole else shorten(text)).split("\n")
        )
    )
