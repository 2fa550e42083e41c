"""completion: the script that lets a shell complete commands, options, names and ids."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "flowbridge"
COMPLETE_VARIABLE = f"_{PROGRAM.upper()}_COMPLETE"  # click's name for it


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, /, shell: str) -> None:
    """Print a script that lets your shell complete commands, options, the names of sources, routes
    and providers, and the ids of the newest events.

    Names come from the routes.yaml of the folder that you are in. Start a new shell afterwards. For
    zsh, ~/.zshrc also needs `fpath+=~/.zfunc` and `autoload -U compinit && compinit`.

    \b
    flowbridge completion bash >> ~/.bashrc
    flowbridge completion zsh > ~/.zfunc/_flowbridge
    flowbridge completion fish > ~/.config/fish/completions/flowbridge.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click has no completion for {shell}")
    made = kind(ctx.find_root().command, {}, PROGRAM, COMPLETE_VARIABLE)
    # not `made.source()`: for bash it runs the bash of this machine
    click.echo(ShellComplete.source(made))
