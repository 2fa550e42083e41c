"""sample: a signed, realistic event, as a curl command or sent."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from bridge.cli import output
from bridge.cli.forging import KINDS, Signer, forge
from bridge.errors import BridgeError, ConfigError
from bridge.model import Lost, Request

if TYPE_CHECKING:
    from bridge.routes import Source



@click.command()
@click.argument("provider", metavar="PROVIDER|SOURCE")
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option("--to", metavar="URL", help="Send it there; the path /hooks/SOURCE is added if there is none.")
@click.option("--secret", metavar="SECRET", help="Sign with this (default: the source's in routes.yaml).")
@click.option("--tamper", type=click.Choice(list(KINDS)), help="Make it a forgery that must be refused.")
@click.pass_obj
def sample(config: str | None, /, provider: str, type_: str | None, to: str | None, secret: str | None,
           tamper: str | None) -> None:  # fmt: skip
    """Make a realistic event, signed as its provider would: a curl command, or with --to sent at once.

    With --to the exit code is 0 where it was accepted, or, tampered with, where it was refused.

    \b
    flowbridge sample github
    flowbridge sample stripe invoice.paid --to http://127.0.0.1:8080
    flowbridge sample github --to http://127.0.0.1:8080 --tamper body
    """
    from bridge.cli.selection import settings_of

    signer = _signer(config, provider, secret)
    if to is None:
        settings = settings_of(config)
        url = f"{settings.public_url or f'http://{settings.bind[0]}:{settings.bind[1]}'}/hooks/{signer.source}"
    else:
        url = _target(to, signer.source)
    request = make(signer, type_, url, tamper, time.time())
    if to is None:
        click.echo(curl(request))
        return
    sys.exit(_send(request, is_forged=tamper is not None))


def _target(to: str, source: str) -> str:
    url = to if "://" in to else f"http://{to}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"--to {to!r} is no URL such as http://127.0.0.1:8080")
    return url if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/hooks/{source}"


def _signer(config: str | None, name: str, secret: str | None) -> Signer:
    """Find who is meant: a source of that name, else the first source of that provider, else the provider by itself."""
    from bridge.cli.env_file import new_secret
    from bridge.expressions import near
    from bridge.providers import PROVIDERS
    from bridge.signatures import Hmac

    sources = _sources(config)
    source = sources.get(name) or next((one for one in sources.values() if one.provider.name == name), None)
    if source is not None:
        own = next((one.value for one in source.secrets if one.value), "")
        if source.scheme.needs_secret and not (secret or own):
            raise click.UsageError(f"the secret of the source {source.name!r} is not set; say --secret")
        return Signer(source.name, source.provider, source.scheme, secret or own)
    if name not in PROVIDERS:
        known = [*sources, *(provider for provider in PROVIDERS if provider not in sources)]
        raise click.UsageError(f"there is no source or provider {name!r}; {near(name, known)}allowed: {', '.join(known)}")
    row = PROVIDERS[name]
    scheme = row.scheme or Hmac(at="header:X-Signature")
    if scheme.needs_secret and secret is None:
        secret = new_secret(scheme)
        output.say(f"routes.yaml has no source for {name}: signed with a secret made up for this once (--secret takes another)")
    return Signer(name, row, scheme, secret or "")


def _sources(config: str | None) -> Mapping[str, Source]:
    """The sources of routes.yaml, none where there is no such file; one that cannot be read is said, and no reason to stop."""
    from bridge.cli.selection import settings_of
    from bridge.config import load

    settings = settings_of(config)
    if not settings.config.exists() and config is None and not os.environ.get("FLOWBRIDGE_CONFIG"):
        return {}
    try:
        return load(settings.config, settings.environ, strict_secrets=False).sources
    except ConfigError as error:
        output.say(f"{settings.config} cannot be used ({len(error.problems)} problems: flowbridge check)")
        return {}


def make(signer: Signer, type_: str | None, url: str, tamper: str | None, now: float) -> Request:
    """Return a sample of the signer's provider, signed; tampered with if so asked."""
    from bridge.samples import sample as unsigned

    parts = urlsplit(url)
    try:
        request = unsigned(signer.provider.name, type_, now=now, new_id=secrets.token_hex(8), path=parts.path, url=url)
        request = replace(request, query_string=parts.query)
        if tamper is not None:
            return forge(signer, request, tamper, now)
        return signer.scheme.sign(request, signer.secret, now) if signer.scheme.needs_secret else request
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def curl(request: Request) -> str:
    """Return a command for a shell that sends the request byte by byte."""
    lines = [f"curl -sS -i {shlex.quote(request.url)}"]
    lines += [f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers.items()]
    lines.append(f"  --data-binary {shlex.quote(request.body.decode())}")
    return " \\\n".join(lines)


def _send(request: Request, *, is_forged: bool) -> int:
    from bridge.model import Call
    from bridge.send import Sender

    sender = Sender()
    started = time.monotonic()
    answer = sender.send(Call(method=request.method, url=request.url, headers=request.headers, body=request.body), 30.0)
    took = (time.monotonic() - started) * 1000
    sender.close()
    if isinstance(answer, Lost):
        raise BridgeError(f"not sent: {answer.reason} (is `flowbridge serve` running?)")
    text = answer.body.decode("utf-8", "replace").strip()
    is_accepted = answer.status // 100 == 2
    fine = is_accepted != is_forged
    status = click.style(str(answer.status), fg="green" if fine else "red")
    click.echo(f"{status}  {output.clean(text)}  ({took:.0f} ms)")
    if not fine:
        output.say("The forgery was accepted." if is_forged else "The event was not accepted.")
    return 0 if fine else 1
