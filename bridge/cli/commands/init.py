"""init: the files of a new project."""

from __future__ import annotations

import secrets
import shlex
from importlib.resources import files
from pathlib import Path

import click
from click.core import ParameterSource

from bridge.cli.ui import output
from bridge.core.errors import BridgeError

SCHEMA = ".flowbridge/routes.schema.json"


def template(name: str) -> str:
    """Return the text of a file of a new project."""
    return files("bridge.cli").joinpath("templates", name).read_text("utf-8")


def fixed_files() -> dict[str, tuple[str, int]]:
    """Return the files that are the same in each project, with their modes."""
    from bridge.config.schema.json_schema import schema_text

    return {".gitignore": (template("gitignore"), 0o644), SCHEMA: (schema_text(), 0o644)}


@click.command()
@click.argument(
    "folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path)
)
@click.option(
    "--quiet",
    "-q",
    is_flag=True,
    help="Print only the files, without the next step.",
)
@click.pass_context
def init(ctx: click.Context, folder: Path, quiet: bool) -> None:
    """Create a project: routes.yaml, .env with generated secrets, flows.py, .gitignore and the
    schema for editors.

    Existing files are not changed.

    \b
    flowbridge init my-hooks && cd my-hooks && flowbridge serve
    """
    from bridge.services.project.env_file import replace_file

    root = ctx.find_root()
    if root.get_parameter_source("config") is ParameterSource.COMMANDLINE:
        parent = Path(root.params["config"]).parent
        raise click.UsageError(
            f"init takes a folder, not --config: flowbridge init {shlex.quote(str(parent))}"
        )
    names = ("GITHUB_WEBHOOK_SECRET", "FLOWBRIDGE_SECRET_KEY")
    project = {
        "routes.yaml": (template("routes.yaml"), 0o644),
        ".env": (
            template("env") + "".join(f"{name}={secrets.token_hex(32)}\n" for name in names),
            0o600,
        ),
        "flows.py": (template("flows.py"), 0o644),
        **fixed_files(),
    }
    try:
        for name, (text, mode) in project.items():
            path = folder / name
            is_kept = path.exists() or path.is_symlink()
            if not is_kept:
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(path, text, mode)
            output.answer(f"{'kept ' if is_kept else 'wrote'}  {path}")
    except OSError as error:
        raise BridgeError(f"{error.filename} cannot be written: {error.strerror}") from error
    if quiet:
        return
    into = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    output.say(f"\nNext:  {into}flowbridge check && flowbridge serve")
