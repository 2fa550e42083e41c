"""sample: a signed, realistic event, as a curl command or sent."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from bridge.cli import output
from bridge.errors import BridgeError, ConfigError
from bridge.model import Lost, Request

if TYPE_CHECKING:
    from bridge.providers import Provider
    from bridge.routes import Source
    from bridge.signatures import Scheme

OLD = 2 * 86400.0  # seconds; older than any tolerance may be
KINDS = ("body", "secret", "timestamp", "header", "encoding")


@dataclass(frozen=True, slots=True)
class Signer:
    """Who is to have sent the event: a source of routes.yaml, or a provider alone."""

    source: str
    provider: Provider
    scheme: Scheme
    secret: str


@click.command()
@click.argument("provider", metavar="PROVIDER|SOURCE")
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option("--to", metavar="URL", help="Send it there; the path /hooks/SOURCE is added if there is none.")
@click.option("--secret", metavar="SECRET", help="Sign with this (default: the source's in routes.yaml).")
@click.option("--tamper", type=click.Choice(KINDS), help="Make it a forgery that must be refused.")
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


def forge(signer: Signer, request: Request, kind: str, now: float) -> Request:
    """Return the request as someone without the secret would send it; ValueError where a forgery of this kind proves nothing."""
    scheme = signer.scheme
    if not scheme.needs_secret:
        raise ValueError(f"a {signer.provider.title} is not signed, so there is nothing to tamper with")
    signed = scheme.sign(request, signer.secret, now)
    added = {name: value for name, value in signed.headers.items() if request.headers.get(name) != value}
    match kind:
        case "body":
            if scheme.sign(replace(request, body=request.body + b" "), signer.secret, now).headers == signed.headers:
                raise ValueError(f"the signature of {signer.source} does not cover the body: nothing would be noticed")
            return replace(signed, body=_changed(signed.body))
        case "secret":
            return scheme.sign(request, _other(scheme, signer.secret), now)
        case "timestamp":
            old = scheme.sign(request, signer.secret, now - OLD)
            if old.headers == signed.headers and old.body == signed.body:
                raise ValueError(f"{signer.source} signs no time, so an old request cannot be told from a new one")
            return old
        case "header":
            return replace(request, headers={name: value for name, value in signed.headers.items() if name not in added})
    recoded = {name: _recoded(value) for name, value in added.items()}
    if recoded == added:
        raise ValueError(f"{signer.source} shows no signature that could be written in another encoding")
    return replace(signed, headers={**signed.headers, **recoded})


def _changed(body: bytes) -> bytes:
    """Return the body with one letter or digit of it changed, so that it can still be read."""
    later = range(len(body) // 2, len(body))
    at = next((place for place in later if chr(body[place]).isalnum() and body[place] < 128), len(body) - 1)
    return body[:at] + (b"x" if body[at : at + 1] != b"x" else b"y") + body[at + 1 :]


def _other(scheme: Scheme, secret: str) -> str:
    from bridge.cli.env_file import new_secret

    made = new_secret(scheme)
    return made if scheme.secret_problem(made) is None else secret[:-4] + ("AAAA" if secret[-4:] != "AAAA" else "BBBB")


def _recoded(value: str) -> str:
    """Return a header's value with its signature in base64 where it was hexadecimal, and the reverse."""

    def hex_to_base64(found: re.Match[str]) -> str:
        return b64encode(bytes.fromhex(found[0])).decode()

    def base64_to_hex(found: re.Match[str]) -> str:
        try:
            return b64decode(found[0], validate=True).hex()
        except ValueError:
            return found[0]

    recode: Callable[[re.Match[str]], str] = base64_to_hex
    text, count = re.subn(r"(?<![0-9a-zA-Z+/])(?:[0-9a-f]{2}){20,}(?![0-9a-zA-Z+/=])", hex_to_base64, value)
    return text if count else re.sub(r"[A-Za-z0-9+/]{26,}={0,2}", recode, value)


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
