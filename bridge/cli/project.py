"""init, add: a new project, and a new source in it."""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli import output
from bridge.errors import BridgeError, ConfigError

if TYPE_CHECKING:
    from bridge.providers import Provider
    from bridge.routes import Config
    from bridge.settings import Settings

SCHEMA = ".flowbridge/routes.schema.json"

#: The inputs of a new route, out of what the provider sends. What an event does not have is left out of the inputs.
INPUTS: dict[str, dict[str, str]] = {
    "github": {
        "event": "${event.type}",
        "action": "${body.action}",
        "repository": "${body.repository.full_name}",
        "sender": "${body.sender.login}",
    },
    "stripe": {"event": "${event.type}", "object": "${body.data.object.object}", "object_id": "${body.data.object.id}"},
    "slack": {
        "event": "${event.type}",
        "channel": "${body.event.channel}",
        "user": "${body.event.user}",
        "text": "${body.event.text}",
    },
    "standard_webhooks": {"event": "${event.type}", "data": "${body.data}"},
    "svix": {"event": "${event.type}", "data": "${body.data}"},
}
ANY_INPUTS = {"event": "${event.type}", "payload": "${body}"}
#: What the sources of those providers need that stand for any sender.
LOCATED = {"event_type": "body:type", "event_id": "body:id"}
KEYS: dict[str, dict[str, Any]] = {
    "hmac": {"verify": {"header": "X-Signature", "algorithm": "sha256", "encoding": "hex"}, **LOCATED},
    "token": LOCATED,
    "basic": LOCATED,
}


def template(name: str) -> str:
    """Return the text of a file that a project begins with."""
    return files("bridge.cli").joinpath("templates", name).read_text("utf-8")


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Write what a project begins with: routes.yaml, .env with generated secrets, flows.py, .gitignore and the editor's schema.

    What is there already is left as it is.

    \b
    flowbridge init my-hooks && cd my-hooks && flowbridge serve
    """
    from bridge.cli.env_file import write
    from bridge.config import schema_text

    names = ("GITHUB_WEBHOOK_SECRET", "FLOWBRIDGE_SECRET_KEY")
    project = {
        "routes.yaml": (template("routes.yaml"), 0o644),
        ".env": (template("env") + "".join(f"{name}={secrets.token_hex(32)}\n" for name in names), 0o600),
        "flows.py": (template("flows.py"), 0o644),
        ".gitignore": (template("gitignore"), 0o644),
        SCHEMA: (schema_text(), 0o644),
    }
    try:
        for name, (text, mode) in project.items():
            path = folder / name
            is_kept = path.exists() or path.is_symlink()
            if not is_kept:
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, text, mode)
            output.answer(f"{'kept ' if is_kept else 'wrote'}  {path}")
    except OSError as error:
        raise BridgeError(f"{error.filename} cannot be written: {error.strerror}") from error
    into = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    output.say(f"\nNext:  {into}flowbridge check && flowbridge serve")


@dataclass(frozen=True, slots=True)
class _New:
    """A source to be added, and the variable of its secret (null where it has none)."""

    name: str
    provider: Provider
    flow: str | None
    variable: str | None


@click.command()
@click.argument("provider")
@click.argument("name", required=False)
@click.option("--flow", metavar="FLOW", help="Where its events go: the name of a flow, or PLATFORM/FLOW (default: local/echo).")
@click.pass_obj
def add(config: str | None, /, provider: str, name: str | None, flow: str | None) -> None:
    """Add a source and a route to routes.yaml and its secret to .env, and say where to paste the URL.

    NAME is the provider's if not given; the URL is /hooks/NAME.

    \b
    flowbridge add github
    flowbridge add stripe payments --flow gumloop/aB3dEfGhJkLmNpQrStUvWx
    """
    from bridge.cli import env_file
    from bridge.cli.selection import settings_of
    from bridge.config import load

    row = _provider(provider)
    settings = settings_of(config)
    if not settings.config.exists():
        raise click.UsageError(f"there is no {settings.config}; `flowbridge init` writes one")
    text = settings.config.read_bytes().decode("utf-8")
    known = load(settings.config, settings.environ, strict_secrets=False)
    new = _New(_free(name or row.name, known), row, flow, env_file.variable(name or row.name) if row.name != "form" else None)
    changed = _change(text, known, new)
    secret = _secret(settings, new)
    _try(settings, new, changed, secret)
    env = settings.config.parent / ".env"
    try:
        if new.variable and (secret or new.variable not in settings.environ):
            env_file.put(env, {new.variable: secret})
        env_file.write(settings.config, changed, 0o644)
    except OSError as error:
        raise BridgeError(f"{error.filename} cannot be written: {error.strerror}") from error
    _instruct(settings, new, secret)


def _provider(name: str) -> Provider:
    from bridge.expressions import near
    from bridge.providers import PROVIDERS

    if name not in PROVIDERS:
        raise click.UsageError(f"there is no provider {name!r}; {near(name, PROVIDERS)}allowed: {', '.join(PROVIDERS)}")
    return PROVIDERS[name]


def _free(name: str, known: Config) -> str:
    if name in known.sources:
        free = next(f"{name}-{number}" for number in range(2, 10_000) if f"{name}-{number}" not in known.sources)
        raise click.UsageError(f"routes.yaml has a source {name!r} already; {free!r} is free")
    return name


def _change(text: str, known: Config, new: _New) -> str:
    """Return the text of routes.yaml with the source, the route, and a local platform where the route needs one."""
    from bridge.cli import routes_file

    local = next((platform.name for platform in known.platforms.values() if platform.type == "local"), None)
    if "version:" not in text:
        text = "version: 1\n" + text
    if new.flow is None and local is None:
        text = routes_file.add(text, "platforms", "local", {"type": "local"})
    source: dict[str, Any] = {"provider": new.provider.name}
    if new.variable:
        source["secret"] = "${env:" + new.variable + "}"
    text = routes_file.add(text, "sources", new.name, source | KEYS.get(new.provider.name, {}))
    taken = {route.name for route in known.routes}
    names = (new.name.lower(), *(f"{new.name.lower()}-{number}" for number in range(2, 10_000)))
    route: dict[str, Any] = {"name": next(name for name in names if name not in taken), "on": new.name}
    if new.provider.name != "form":
        route["inputs"] = INPUTS.get(new.provider.name, ANY_INPUTS) | {"event_id": "${event.id}"}
    return routes_file.add(text, "routes", None, route | {"flow": new.flow or f"{local or 'local'}/echo"})


def _secret(settings: Settings, new: _New) -> str:
    """Return the secret as it is known, or a new one; empty where the sender makes it."""
    from bridge.cli.env_file import new_secret

    if new.variable is None:
        return ""
    known = settings.environ.get(new.variable, "")
    return known or (new_secret(new.provider.scheme) if new.provider.generates_secret else "")


def _try(settings: Settings, new: _New, text: str, secret: str) -> None:
    """Load the changed text from a file beside routes.yaml; raise what is wrong with it, under the name of routes.yaml."""
    from bridge.cli.env_file import write
    from bridge.cli.fitting import missing_flows
    from bridge.config import check
    from bridge.flows.loading import load_flows
    from bridge.flows.ready import READY

    draft = settings.config.with_name(f".{settings.config.stem}.{secrets.token_hex(4)}.yaml")
    try:
        write(draft, text, 0o600)
        environ = dict(settings.environ) | ({new.variable: secret} if new.variable and secret else {})
        config, problems = check(draft, environ, strict_secrets=False)
        if config is not None:
            flows = dict(READY)
            for platform in config.platforms.values():
                flows |= load_flows(platform.flows) if platform.flows else {}
            problems = missing_flows(config, flows)
    finally:
        draft.unlink(missing_ok=True)
    wrong = [one for one in problems if one.level == "error"]
    if wrong:
        output.say("Nothing was written: with the addition, routes.yaml would not load.")
        raise ConfigError([replace(one, file=str(settings.config)) if one.file == str(draft) else one for one in wrong])


def _instruct(settings: Settings, new: _New, secret: str) -> None:
    row = new.provider
    output.answer(f"Added the source {new.name} ({row.title}) and a route to {new.flow or 'local/echo'} to {settings.config}.\n")
    url = settings.public_url or f"http://{settings.bind[0]}:{settings.bind[1]}"
    output.answer(f"  URL     {url}/hooks/{new.name}")
    if not settings.public_url:
        output.answer("          (reached from this machine only; set FLOWBRIDGE_PUBLIC_URL to the address that senders reach)")
    if new.variable and secret:
        shown = f": {secret}" if sys.stdout.isatty() else ""
        output.answer(f"  Secret  {new.variable} in .env{shown}")
    elif new.variable:
        output.answer(f"  Secret  put it into .env as {new.variable}=…  ({row.secret_hint})")
    output.answer("")
    for line in _wrapped(row.setup):
        output.answer(f"  {line}")
    output.answer(f"  {row.docs}\n")
    first = "" if not new.variable or secret else f"put the secret into .env as {new.variable}, then "
    output.answer(f"Next: {first}flowbridge check && flowbridge serve")
    output.answer(f"Try it: flowbridge sample {new.name} --to {url}")


def _wrapped(text: str) -> list[str]:
    from textwrap import wrap

    return wrap(text, 76)
