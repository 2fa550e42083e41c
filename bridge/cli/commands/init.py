"""init, add: a new project, and a new source in it."""

from __future__ import annotations

import re
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli.ui import output
from bridge.core.errors import BridgeError, ConfigError
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.providers.model import Provider
    from bridge.routing.model import Config

SCHEMA = ".flowbridge/routes.schema.json"
WIDTH = 78  # columns

#: The inputs of a new route, out of what the provider sends. What an event does not have is left
#: out of the inputs.
INPUTS: dict[str, dict[str, str]] = {
    "github": {
        "event": "${event.type}",
        "action": "${body.action}",
        "repository": "${body.repository.full_name}",
        "sender": "${body.sender.login}",
    },
    "stripe": {
        "event": "${event.type}",
        "object": "${body.data.object.object}",
        "object_id": "${body.data.object.id}",
    },
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
    "hmac": {
        "verify": {"header": "X-Signature", "algorithm": "sha256", "encoding": "hex"},
        **LOCATED,
    },
    "token": LOCATED,
    "basic": LOCATED,
}


def template(name: str) -> str:
    """Return the text of a file that a project begins with."""
    return files("bridge.cli").joinpath("templates", name).read_text("utf-8")


@click.command()
@click.argument(
    "folder", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path)
)
@click.option(
    "--quiet",
    "-q",
    is_flag=True,
    help="Name the files alone, not what to do next: for who installs a service.",
)
def init(folder: Path, quiet: bool) -> None:
    """Write what a project begins with: routes.yaml, .env with generated secrets, flows.py,
    .gitignore and the editor's schema.

    What is there already is left as it is.

    \b
    flowbridge init my-hooks && cd my-hooks && flowbridge serve
    """
    from bridge.config.schema.json_schema import schema_text
    from bridge.services.project.env_file import write

    names = ("GITHUB_WEBHOOK_SECRET", "FLOWBRIDGE_SECRET_KEY")
    project = {
        "routes.yaml": (template("routes.yaml"), 0o644),
        ".env": (
            template("env") + "".join(f"{name}={secrets.token_hex(32)}\n" for name in names),
            0o600,
        ),
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
    if quiet:
        return
    into = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    output.say(f"\nNext:  {into}flowbridge check && flowbridge serve")


@dataclass(frozen=True, slots=True)
class _New:
    """A source to be added, what it pins, and its secrets by variable: the text, empty where the
    sender makes it.
    """

    name: str
    provider: Provider
    flow: str | None
    secrets: Mapping[str, str]
    pins: Mapping[str, list[str]]

    @property
    def missing(self) -> list[str]:
        """The variables whose secrets are still to be put into .env."""
        return [name for name, text in self.secrets.items() if not text]


@click.command()
@click.argument("provider")
@click.argument("name", required=False)
@click.option(
    "--flow",
    metavar="FLOW",
    help="Where its events go: the name of a flow, or PLATFORM/FLOW (default: local/echo).",
)
@click.option(
    "--pin",
    "pins",
    metavar="NAME=VALUE",
    multiple=True,
    help="What its signature alone does not tell; repeat it for more.",
)
@click.pass_obj
def add(
    config: str | None, /, provider: str, name: str | None, flow: str | None, pins: tuple[str, ...]
) -> None:
    """Add a source and a route to routes.yaml and its secret to .env, and say where to paste the
    URL.

    NAME is the provider's if not given; the URL is /hooks/NAME. Some providers (Amazon SNS,
    Pub/Sub, PayPal) sign everyone's messages: --pin says whose are meant.

    \b
    flowbridge add github
    flowbridge add stripe payments --flow gumloop/aB3dEfGhJkLmNpQrStUvWx
    flowbridge add aws_sns --pin topic_arn=arn:aws:sns:eu-central-1:123456789012:garden
    """
    from bridge.cli.options import settings_of
    from bridge.services.project import env_file

    row = _provider(provider)
    pinned = _pins(row, pins)
    settings = settings_of(config)
    if not settings.config.exists():
        raise click.UsageError(f"there is no {settings.config}; `flowbridge init` writes one")
    text = settings.config.read_bytes().decode("utf-8")
    known = load_present(settings)
    name = _free(name or row.name, known)
    new = _New(name, row, flow, _secrets(settings, row, env_file.variable(name)), pinned)
    changed = _change(text, known, new)
    _try(settings, new, changed)
    environ = settings.environ
    put = {
        name: text
        for name, text in new.secrets.items()
        if (not environ.get(name) if text else name not in environ)
    }
    try:
        if put:
            env_file.put(settings.config.parent / ".env", put)
        env_file.write(settings.config, changed, 0o644)
    except OSError as error:
        raise BridgeError(f"{error.filename} cannot be written: {error.strerror}") from error
    _instruct(settings, new)


def _provider(name: str) -> Provider:
    from bridge.providers.registry import PROVIDERS
    from bridge.routing.expressions.roots import near

    if name not in PROVIDERS:
        raise click.UsageError(
            f"there is no provider {name!r}; {near(name, PROVIDERS)}`flowbridge providers`"
            " lists all"
        )
    return PROVIDERS[name]


def _pins(row: Provider, given: Sequence[str]) -> dict[str, list[str]]:
    """Return the values of --pin by name; wrong usage where one is missing that the provider's
    signature needs.
    """
    from bridge.providers.signatures.pins import pinned, pins_of
    from bridge.providers.signatures.shared_token import Unsigned
    from bridge.routing.expressions.roots import near

    values: dict[str, list[str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not value.strip():
            raise click.UsageError(f"--pin {text!r} is not NAME=VALUE")
        values.setdefault(name.strip(), []).append(value.strip())
    known = [pin.name for pin in pins_of(row.scheme)]
    if unknown := [name for name in values if name not in known]:
        raise click.UsageError(
            f"--pin: {unknown[0]!r} cannot be pinned; {near(unknown[0], known)}allowed:"
            f" {', '.join(known) or 'nothing'}"
        )
    missing = [pin for pin in pins_of(row.scheme) if pin.required and pin.name not in values]
    if missing:
        needed = "".join(f"\n  --pin {pin.name}=VALUE   {pin.what}" for pin in missing)
        raise click.UsageError(
            f"{row.title} signs for everyone, so a source of {row.name} must say whose messages are"
            f" meant:{needed}"
        )
    try:
        pinned(row.scheme or Unsigned(), values)
    except ValueError as error:
        raise click.UsageError(f"--pin: {error}") from error
    return values


def _free(name: str, known: Config) -> str:
    if name in known.sources:
        free = next(
            f"{name}-{number}"
            for number in range(2, 10_000)
            if f"{name}-{number}" not in known.sources
        )
        raise click.UsageError(f"routes.yaml has a source {name!r} already; {free!r} is free")
    return name


def _change(text: str, known: Config, new: _New) -> str:
    """Return the text of routes.yaml with the source, the route, and a local platform where the
    route needs one.
    """
    from bridge.services.project import routes_file

    # the example that init wrote, if it is still there
    text = re.sub(rf"(?m)^  # {re.escape(new.name)}:\n(?:  #   .*\n)+", "", text)
    local = next(
        (platform.name for platform in known.platforms.values() if platform.type == "local"), None
    )
    if "version:" not in text:
        text = "version: 1\n" + text
    if new.flow is None and local is None:
        text = routes_file.add(text, "platforms", "local", {"type": "local"})
    source: dict[str, Any] = {"provider": new.provider.name}
    names = ["${env:" + variable + "}" for variable in new.secrets]
    if names:
        source |= {"secret": names[0]} if len(names) == 1 else {"secrets": names}
    if new.pins:
        source["pins"] = {
            name: values[0] if len(values) == 1 else values for name, values in new.pins.items()
        }
    text = routes_file.add(text, "sources", new.name, source | KEYS.get(new.provider.name, {}))
    taken = {route.name for route in known.routes}
    free = (new.name.lower() + (f"-{number}" if number > 1 else "") for number in count(1))
    route: dict[str, Any] = {
        "name": next(name for name in free if name not in taken),
        "on": new.name,
    }
    if new.provider.name != "form":
        route["inputs"] = INPUTS.get(new.provider.name, ANY_INPUTS) | {"event_id": "${event.id}"}
    return routes_file.add(
        text, "routes", None, route | {"flow": new.flow or f"{local or 'local'}/echo"}
    )


def _secrets(settings: Settings, row: Provider, variable: str) -> dict[str, str]:
    """Return the secrets by variable: as they are known, new, or empty where the sender makes them.
    It may tell or publish them: none.
    """
    from bridge.providers.signatures.hmac_scheme import Hmac
    from bridge.providers.signatures.pairs import chosen
    from bridge.services.samples.secrets import ASIDE, new_secret

    scheme = row.scheme or Hmac(at="header:X-Signature")
    if row.learn or not scheme.needs_secret:
        return {}
    made = {variable: new_secret(scheme).verifies if row.generates_secret else ""}
    if chosen(scheme, ASIDE)[0] == ASIDE:
        made = {
            variable.replace("_WEBHOOK_SECRET", "_WEBHOOK_TOKEN"): ASIDE + secrets.token_hex(20)
        } | made
    return {name: settings.environ.get(name, "") or text for name, text in made.items()}


def _try(settings: Settings, new: _New, text: str) -> None:
    """Load the changed text from a file beside routes.yaml; raise what is wrong with it, by the
    name of routes.yaml, or with flows.py.
    """
    from bridge.config.loader import check
    from bridge.flows import FlowError
    from bridge.services.config_checks.flow_inputs import missing_flows
    from bridge.services.local_flows import known_flows
    from bridge.services.project.env_file import write

    draft = settings.config.with_name(f".{settings.config.stem}.{secrets.token_hex(4)}.yaml")
    try:
        write(draft, text, 0o600)
        environ = dict(settings.environ) | {
            name: text for name, text in new.secrets.items() if text
        }
        config, problems = check(draft, environ, strict_secrets=False)
        if config is not None:
            problems = missing_flows(config, known_flows(config, settings.flow_environ))
    except FlowError as error:
        raise BridgeError(
            f"nothing was written, since the route cannot be tried out: {error}"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    wrong = [one for one in problems if one.level == "error"]
    if wrong:
        output.say("Nothing was written: with the addition, routes.yaml would not load.")
        raise ConfigError(
            [
                replace(one, file=str(settings.config)) if one.file == str(draft) else one
                for one in wrong
            ]
        )


def _instruct(settings: Settings, new: _New) -> None:
    from bridge.providers.signatures.pins import pins_of

    row = new.provider
    output.answer(
        f"Added the source {new.name} ({row.title}) and a route to {new.flow or 'local/echo'} to"
        f" {settings.config}.\n"
    )
    url = settings.public_url or f"http://{settings.bind[0]}:{settings.bind[1]}"
    output.answer(f"  URL     {url}/hooks/{new.name}")
    if not settings.public_url:
        output.answer(
            "          (reached from this machine only; set FLOWBRIDGE_PUBLIC_URL to the address"
            " that senders reach)"
        )
    for variable, text in new.secrets.items():
        made = f"{variable} in .env" + (f": {text}" if sys.stdout.isatty() else "")
        output.answer(
            "  Secret "
            f" {made if text else f'put it into .env as {variable}=…  ({row.secret_hint})'}"
        )
    if not new.secrets and row.name != "form":
        output.answer(f"  Secret  {row.secret_hint}")
    for pin in pins_of(row.scheme):
        output.answer(
            f"  Pin     {pin.name}:"
            f" {', '.join(new.pins.get(pin.name, ())) or f'not given; it may be {pin.what}'}"
        )
    output.answer("")
    output.answer(f"  {output.wrap_text(row.setup, 2, WIDTH)}")
    output.answer(f"  {row.docs}\n")
    _say_next(new, url)


def _say_next(new: _New, url: str) -> None:
    from bridge.providers.signatures.pairs import is_pair
    from bridge.providers.signatures.shared_token import Unsigned

    missing = " and ".join(new.missing)
    first = f"put the secret into .env as {missing}, then " if missing else ""
    learn = f", and flowbridge learn {new.name} beside it" if new.provider.learn else ""
    output.answer(f"Next: {first}flowbridge check && flowbridge serve{learn}")
    if is_pair(new.provider.scheme or Unsigned()):
        output.answer(
            f"Try it: flowbridge sample {new.name} --made-up  (makes up a pair of keys: the"
            " sender's private one is its own)"
        )
    elif new.provider.learn is None:
        output.answer(f"Try it: flowbridge sample {new.name} --to {url}")
