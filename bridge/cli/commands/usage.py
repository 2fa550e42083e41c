"""help and version as commands."""

from __future__ import annotations

import click

from bridge import __version__


@click.command(hidden=True)
@click.argument("command", metavar="[COMMAND]...", nargs=-1)
@click.pass_context
def help(ctx: click.Context, command: tuple[str, ...]) -> None:
    """Print the help of flowbridge, or of one of its commands: flowbridge help events."""
    context = ctx.parent or ctx
    for name in command:
        group = context.command
        inner = group.get_command(context, name) if isinstance(group, click.Group) else None
        if inner is None:
            raise click.UsageError(f"no such command {' '.join(command)!r}")
        context = click.Context(inner, info_name=name, parent=context)
    click.echo(context.get_help())


@click.command(hidden=True)
def version() -> None:
    """Print the version: flowbridge version."""
    click.echo(f"flowbridge, version {__version__}")
