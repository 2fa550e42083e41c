"""add: a new source in routes.yaml, with a route and its secret."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from bridge.cli.command_settings import settings_of
from bridge.cli.completion_values import complete_providers
from bridge.cli.options import wrong_usage
from bridge.cli.ui import output
from bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.services.project.new_source import NewSource

WIDTH = 78  # columns


@click.command()
@click.argument("provider", shell_complete=complete_providers)
@click.argument("name", required=False)
@click.option(
    "--flow",
    metavar="FLOW",
    help="The flow for its events: a name, or PLATFORM/FLOW (default: local/echo).",
)
@click.option(
    "--pin",
    "pins",
    metavar="NAME=VALUE",
    multiple=True,
    help="A value that the signature alone does not prove. Repeatable.",
)
@click.pass_obj
def add(
    config: str | None, /, provider: str, name: str | None, flow: str | None, pins: tuple[str, ...]
) -> None:
    """Add a source and a route to routes.yaml and the secret to .env, and print how to set up the
    sender.

    NAME defaults to the provider; the URL is /hooks/NAME. Some providers (Amazon SNS, Pub/Sub,
    PayPal) sign the messages of all their customers: --pin selects yours.

    \b
    flowbridge add github
    flowbridge add stripe payments --flow gumloop/aB3dEfGhJkLmNpQrStUvWx
    flowbridge add aws_sns --pin topic_arn=arn:aws:sns:eu-central-1:123456789012:garden
    """
    from bridge.services.project import new_source

    settings = settings_of(config)
    with wrong_usage():
        new, changed = new_source.plan_source(settings, provider, name, flow, pins)
    try:
        new_source.check_addition(settings, new, changed)
    except ConfigError:
        output.say("Nothing was written: with the addition, routes.yaml would not load.")
        raise
    new_source.write_source(settings, new, changed)
    _print_instructions(settings, new)


def _print_instructions(settings: Settings, new: NewSource) -> None:
    from bridge.providers.signatures.pins import pins_of

    row = new.provider
    output.answer(
        f"Added the source {new.name} ({row.title}) and a route to {new.flow or 'local/echo'} to"
        f" {settings.config}.\n"
    )
    url = settings.public_url or settings.bound_url
    output.answer(f"  URL     {url}/hooks/{new.name}")
    if not settings.public_url:
        output.answer(
            "          (reachable from this machine only; set FLOWBRIDGE_PUBLIC_URL to the public"
            " address)"
        )
    for variable, text in new.secrets.items():
        made = f"{variable} in .env" + (f": {text}" if sys.stdout.isatty() else "")
        output.answer(
            f"  Secret  {made if text else f'set it in .env: {variable}=…  ({row.secret_hint})'}"
        )
    if not new.secrets and row.name != "form":
        output.answer(f"  Secret  {row.secret_hint}")
    for pin in pins_of(row.scheme):
        output.answer(
            f"  Pin     {pin.name}:"
            f" {', '.join(new.pins.get(pin.name, ())) or f'not set; it can be {pin.what}'}"
        )
    output.answer("")
    output.answer(f"  {output.wrap_text(row.explain_setup(new.name), 2, WIDTH)}")
    output.answer(f"  {row.docs}\n")
    _say_next(new, url)


def _say_next(new: NewSource, url: str) -> None:
    from bridge.providers.signatures.pairs import is_pair
    from bridge.providers.signatures.shared_token import Unsigned

    missing = " and ".join(new.missing)
    first = f"set the secret in .env as {missing}, then " if missing else ""
    learn = f", and in another terminal flowbridge learn {new.name}" if new.provider.learn else ""
    output.answer(
        f"Next: {first}flowbridge check && flowbridge serve{learn}  (a running flowbridge reloads"
        " within two seconds)"
    )
    if is_pair(new.provider.scheme or Unsigned()):
        output.answer(
            f"Try it: flowbridge sample {new.name} --made-up  (generates a key pair: only the"
            " sender has its private key)"
        )
    elif new.provider.learn is None:
        once = "Then try" if missing else "Try"
        output.answer(f"{once} it: flowbridge sample {new.name} --to {url}")
