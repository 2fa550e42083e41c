"""The `flowbridge` command. Each command's module is imported only when it is used."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge import __version__
from bridge.cli.command_list import (
    ALIASES,
    BRIEF_SECTIONS,
    COMMAND_HINTS,
    COMMANDS,
    HIDDEN,
    SECTIONS,
    TAKES_ROUTES,
    WITHOUT_ROUTES,
)
from bridge.cli.interrupts import reraise_interrupts
from bridge.core.errors import BridgeError, ConfigError, SettingsError
from bridge.core.timings import TIMINGS, Timings
from bridge.system.garbage_collection import pause_collection

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: Options that go before the command, with their values.
EARLY_OPTIONS = {"--config": "FILE", "--server": "URL"}
HELP_KEY = "flowbridge.help"  # of the context: the help of the command is asked for
#: Files are for their own user only, whatever the shell's umask is.
UMASK = 0o077
#: Errors of a write to a disk, or within a quota, that has no room.
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class CommandGroup(click.Group):
    """A group that imports commands by name, and reports errors as sentences with an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the shape of click
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the shape of click
        name = ALIASES.get(cmd_name, cmd_name)
        module = COMMANDS.get(name) or HIDDEN.get(name)
        # a word of Python, such as `import`, cannot be the name of a function
        attribute = f"{name}_" if iskeyword(name) else name
        if module is None:
            return None
        with pause_collection():
            command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a usage error for an unknown one suggests the nearest."""
        name = args[0] if args else ""
        is_completion = ctx.resilient_parsing
        is_name = bool(name) and not name.startswith("-") and not is_completion
        if is_name and self.get_command(ctx, name) is None:
            from bridge.core.typos import suggest

            instead = COMMAND_HINTS.get(name)
            hint = (
                f"use `flowbridge {instead}`"
                if instead is not None
                else suggest(name, COMMANDS).strip() or "`flowbridge --help` lists all"
            )
            raise click.UsageError(f"no such command {name!r}; {hint}", ctx)
        ctx.meta[HELP_KEY] = any(argument in ctx.help_option_names for argument in args)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin with a text; no command is imported."""
        from click.shell_completion import CompletionItem

        named = [
            CompletionItem(name, help=summary)
            for commands in SECTIONS.values()
            for name, (_, summary) in commands.items()
            if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands before the options."""
        self.format_commands(ctx, formatter)
        click.Command.format_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the shape of click
        for heading, commands in SECTIONS.items():
            if heading in BRIEF_SECTIONS:
                formatter.write_paragraph()
                formatter.write_usage(f"{heading}:", " ".join(commands), prefix="")
            else:
                with formatter.section(heading):
                    formatter.write_dl([(name, line) for name, (_, line) in commands.items()])

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Read the arguments: --help and --version print here."""
        with _end_without_output():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> object:
        try:
            with _end_without_output():
                return super().invoke(ctx)
        except click.NoSuchOption as error:
            value = EARLY_OPTIONS.get(error.option_name)
            if value is not None and error.ctx is not None:
                program, _, command = error.ctx.command_path.partition(" ")
                early = f"{error.option_name} {value}"
                raise click.UsageError(
                    f"{error.option_name} goes before the command: {program} {early} {command}",
                    error.ctx,
                ) from None
            raise
        except click.BadOptionUsage as error:
            invoked = self.get_command(ctx, ctx.invoked_subcommand or "")
            raise _explain_no_value(invoked, error.option_name) or error from None
        except ConfigError as error:
            _complain(_no_routes(ctx) or str(error))
            sys.exit(2)
        except SettingsError as error:
            _complain(str(error))
            sys.exit(2)
        except BridgeError as error:
            _complain(f"Error: {error}")
            sys.exit(1)
        except PermissionError as error:
            if error.filename is None:
                raise
            _complain(_explain_denied(Path(os.fsdecode(error.filename)).absolute()))
            sys.exit(2)
        except Exception as error:
            if not _is_unreadable_answer(ctx, error):
                raise
            from bridge.services.records.json_record import UNREADABLE

            _complain(f"Error: {UNREADABLE}")
            sys.exit(1)


@contextmanager
def _end_without_output() -> Iterator[None]:
    """End where stdout takes no more: quietly for a closed pipe, with an error on a full disk."""
    try:
        yield
    except BrokenPipeError:  # the reader, such as `head`, has read enough
        _drop_output()
        sys.exit(0)
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        _drop_output()
        _complain(f"Error: cannot write: {error.strerror}")
        sys.exit(1)


def _explain_no_value(command: click.Command | None, option_name: str) -> click.UsageError | None:
    """Return an error that says which value an option takes, with an example from the help."""
    options = (
        [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        if command
        else []
    )
    option = next((option for option in options if option_name in option.opts), None)
    if command is None or option is None or option.is_flag or option.nargs != 1:
        return None
    # an example of the help may have a comment behind two blanks
    lines = [line.strip().partition("  ")[0] for line in (command.help or "").splitlines()]
    examples = [line for line in lines if line.startswith("flowbridge ") and option_name in line]
    example = f", as in: {examples[0]}" if examples else ""
    return click.UsageError(f"{option_name} needs {option.metavar or 'a value'}{example}")


def _drop_output() -> None:
    """Discard the rest of stdout, because its destination cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_unreadable_answer(ctx: click.Context, error: Exception) -> bool:
    """Return whether an error comes from an answer that flowbridge cannot read.

    With `--server` any program may answer.
    """
    from bridge.cli.command_settings import SERVER_KEY
    from bridge.services.records.json_record import WRONG_SHAPES

    return SERVER_KEY in ctx.meta and isinstance(error, WRONG_SHAPES)


def _no_routes(ctx: click.Context) -> str | None:
    """Return the next step where the command's routes.yaml does not exist, else None."""
    from bridge.cli.command_settings import SERVER_KEY, explain_no_routes

    if SERVER_KEY in ctx.meta:
        return None
    file = Path(ctx.params.get("config") or os.environ.get("FLOWBRIDGE_CONFIG") or "routes.yaml")
    return None if file.exists() else explain_no_routes(file)


def _explain_denied(path: Path) -> str:
    """Return that this user has no access to a file, with the command that does.

    The owner is most likely the user of the service.
    """
    import pwd

    denied = path
    while not os.access(denied.parent, os.X_OK):
        denied = denied.parent
    if not denied.exists():  # it was to be created
        denied = denied.parent
    owner = denied.stat().st_uid
    if owner == os.geteuid():
        return f"{path}: permission denied. Next: chmod u+rwX {shlex.quote(str(denied))}"
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:  # a user of another machine or container
        name = f"#{owner}"
    return (
        f"{path}: permission denied. Next: run the command as {name}, who owns {denied} (sudo -u"
        f" {shlex.quote(name)})"
    )


def _complain(text: str) -> None:
    """Print an error, escaped: it may quote a sender or a platform."""
    from bridge.cli.ui.output import clean_lines

    click.echo(clean_lines(text), err=True)


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--config",
    metavar="FILE",
    envvar="FLOWBRIDGE_CONFIG",
    help="The routes.yaml to use (or FLOWBRIDGE_CONFIG).",
)
@click.option(
    "--server",
    metavar="URL",
    envvar="FLOWBRIDGE_SERVER",
    help="The URL of a bridge on another machine (or FLOWBRIDGE_SERVER).",
)
@click.version_option(__version__, prog_name="flowbridge")
@click.pass_context
def group(ctx: click.Context, config: str | None, server: str | None) -> None:
    """Verify webhooks, store them, and start the flows of routes.yaml."""
    ctx.meta[Timings.__name__] = ctx.obj or TIMINGS
    ctx.obj = config
    if server is not None:
        from bridge.cli.command_settings import use_server

        command = ctx.invoked_subcommand or ""
        use_server(ctx, server, ALIASES.get(command, command), is_help=ctx.meta[HELP_KEY])
    elif ctx.invoked_subcommand not in WITHOUT_ROUTES | TAKES_ROUTES:
        from bridge.cli.command_settings import note_other_routes

        note_other_routes(config)
    ctx.color = False if os.environ.get("NO_COLOR") else ctx.color  # https://no-color.org


def _open_missing_files() -> None:
    """Open /dev/null for a closed stdin, stdout or stderr.

    The next file that is opened would get its number, and the output of others with it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - it stays open


def main(arguments: Sequence[str] | None = None, timings: Timings = TIMINGS) -> None:
    """Run the command line. `timings`: the durations of its processes."""
    os.umask(UMASK)
    _open_missing_files()
    reraise_interrupts()
    group.main(args=arguments, prog_name="flowbridge", obj=timings)
