"""Blocks of text below a name, folded to fit a screen."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bridge.cli.ui import output
from bridge.core.json_text import write_json
from bridge.core.model import JSON

MAX_SHOWN_CHARS = 4000  # characters of a body or of outputs that are shown
BLOCK_LINES = 3  # of inputs, outputs, a log and a body each, where the rest is folded
SHOW_ALL_HINT = "--all shows all"


def print_block(
    name: str, value: JSON, *, is_folded: bool = False, keeps_end: bool = False
) -> None:
    """Print a value, over several lines indented below its name; a folded one is cut to the first
    lines, or the last.
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
    click.secho(name + _folded(len(lines), is_folded=is_folded), dim=True)
    click.echo(
        "\n".join(f"  {line}" for line in _fold(lines, is_folded=is_folded, keeps_end=keeps_end))
    )


def _folded(count: int, *, is_folded: bool) -> str:
    """Return the note beside the name of a folded block."""
    return (
        f"  ({BLOCK_LINES} of {count} lines: {SHOW_ALL_HINT})"
        if is_folded and count > BLOCK_LINES
        else ""
    )


def _fold(lines: Sequence[str], *, is_folded: bool, keeps_end: bool = False) -> list[str]:
    """Return the lines to show; those of a folded block are cut to the width of the terminal."""
    if not is_folded:
        return list(lines)
    some = lines[-BLOCK_LINES:] if keeps_end else lines[:BLOCK_LINES]
    return [_cut(line, output.columns() - 2) for line in some]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def shorten(text: str) -> str:
    """Return the first part of a long text, with a note of how much is left out."""
    if len(text) <= MAX_SHOWN_CHARS:
        return text
    left_out = output.number(len(text) - MAX_SHOWN_CHARS, "character")
    return f"{text[:MAX_SHOWN_CHARS]}\n… ({left_out} more: --body shows all)"
