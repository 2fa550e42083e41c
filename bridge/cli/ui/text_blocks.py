"""Blocks of text below a name, folded to fit a screen."""

from __future__ import annotations

import click

from bridge.cli.ui import output
from bridge.core.json_values import write_json
from bridge.core.model import JSON

MAX_SHOWN_CHARS = 4000  # characters of a body or of outputs that are shown
BLOCK_LINES = 3  # of inputs and of a log each, where the rest is folded
OUTPUT_LINES = 15  # of outputs, likewise
SHOW_ALL_HINT = "--all shows all"


def print_block(
    name: str,
    value: JSON,
    *,
    is_folded: bool = False,
    keeps_end: bool = False,
    max_lines: int = BLOCK_LINES,
) -> None:
    """Print a value, over several lines indented below its name; a folded one is cut to the first
    `max_lines`, or the last.
    """
    if value is None or value == {}:
        return
    text = value if isinstance(value, str) else output.indented(value)
    if is_folded and not isinstance(value, str):
        short = write_json(value).decode()
        text = short if len(short) <= output.columns() - output.LABEL_COLUMNS else text
    lines = output.clean_lines(shorten(text)).split("\n")
    if len(lines) == 1:
        output.line(
            name, _cut(lines[0], output.columns() - output.LABEL_COLUMNS) if is_folded else lines[0]
        )
        return
    is_cut = is_folded and len(lines) > max_lines
    hint = f"  ({max_lines} of {len(lines)} lines: {SHOW_ALL_HINT})" if is_cut else ""
    click.secho(name + hint, dim=True)
    if is_folded:
        some = lines[-max_lines:] if keeps_end else lines[:max_lines]
        lines = [_cut(line, output.columns() - 2) for line in some]
    click.echo("\n".join(f"  {line}" for line in lines))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def shorten(text: str) -> str:
    """Return the first part of a long text, with a note of how much is left out."""
    if len(text) <= MAX_SHOWN_CHARS:
        return text
    left_out = output.number(len(text) - MAX_SHOWN_CHARS, "character")
    return f"{text[:MAX_SHOWN_CHARS]}\n… ({left_out} more: --body shows all)"
