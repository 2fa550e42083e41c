"""sample: a signed, realistic event, as a curl command or sent."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from bridge.cli.samples.answers import send, send_twice
from bridge.cli.samples.edits import edit, read_body
from bridge.cli.samples.forms import needs_challenge, solve_challenge
from bridge.cli.samples.sources import aimed, called_as, knowing, live_secrets
from bridge.cli.ui import output
from bridge.core.errors import BadSignature
from bridge.core.http_messages import Request
from bridge.core.locators import compile_locator
from bridge.providers.signatures.hmac_scheme import Hmac
from bridge.providers.signatures.pairs import is_pair
from bridge.providers.signatures.pins import Pin, pinned
from bridge.providers.signatures.shared_token import Unsigned
from bridge.services.samples.forgeries import KINDS, Signer, forge
from bridge.services.samples.replay import REPLAY, expected
from bridge.services.samples.secrets import Made, new_pins, new_secret, signing_text
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Source


RUNNING = ""  # what --to holds where it is given without a URL


@click.command()
@click.argument("provider", metavar="PROVIDER|SOURCE")
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option(
    "--to",
    metavar="[URL]",
    is_flag=False,
    flag_value=RUNNING,
    help=(
        "Send it there; without URL, to the bridge of this project. The path /hooks/SOURCE is added"
        " if there is none."
    ),
)
@click.option(
    "--secret",
    metavar="SECRET|@FILE",
    help="Sign with this (default: the source's in routes.yaml).",
)
@click.option(
    "--made-up",
    is_flag=True,
    help="Sign with a secret or a pair of keys made up for this once, and say it.",
)
@click.option(
    "--tamper",
    type=click.Choice([*KINDS, REPLAY]),
    help="Make it a forgery that must be refused; replay: send it twice.",
)
@click.option(
    "--set",
    "sets",
    metavar="PATH=VALUE",
    multiple=True,
    help=(
        "Set a value before signing, by its path as in `match`; VALUE is JSON where it parses, else"
        " text. A path that is not there is added. Repeatable."
    ),
)
@click.option(
    "--body",
    "body_file",
    metavar="FILE|-",
    help="Send this body instead of the sample's; - is standard input.",
)
@click.pass_obj
def sample(
    config: str | None,
    /,
    provider: str,
    type_: str | None,
    to: str | None,
    secret: str | None,
    made_up: bool,
    tamper: str | None,
    **changes: Any,
) -> None:
    """Make a realistic event, signed as its provider would: a curl command, or with --to sent at
    once.

    --set and --body change the event before it is signed. To a form that requires a token or a
    proof of work, --to sends both, as a browser does.

    With --to it says why an event was refused, or that an accepted one starts nothing, and the next
    step. The exit code is 0 where it was accepted, or, tampered with, where it was refused; a
    replay, where the second copy was refused or is the same event.

    What is sent to this machine is signed for FLOWBRIDGE_PUBLIC_URL, which some senders sign.
    Senders with a pair of keys (Discord, SendGrid, PayPal) sign with the private one, which is
    theirs alone: --secret takes another, --made-up makes a pair to try it with.

    \b
    flowbridge sample github
    flowbridge sample github --to            to the bridge that runs on this project
    flowbridge sample stripe invoice.paid --to http://127.0.0.1:8080
    flowbridge sample stripe invoice.paid --set body.data.object.amount_paid=25000 --to http://127.0.0.1:8080
    flowbridge sample github issues --body payload.json --to http://127.0.0.1:8080
    flowbridge sample github --to http://127.0.0.1:8080 --tamper body
    flowbridge sample discord --secret @private.pem
    """
    from bridge.cli.options import settings_of

    if made_up and secret is not None:
        raise click.UsageError("either --secret or --made-up, not both")
    signer = _signer(config, provider, _given(secret), made_up=made_up)
    settings = settings_of(config)
    if to is None:
        url = f"{settings.public_url or _here(settings)}/hooks/{signer.source}"
    else:
        url = _target(_here(settings) if to == RUNNING else to, signer.source)
    now = time.time()
    is_replay = tamper == REPLAY
    called = called_as(settings, url)
    body = read_body(changes["body_file"]) if changes["body_file"] is not None else None
    request = make(
        signer,
        type_,
        called,
        None if is_replay else tamper,
        now,
        lambda made: edit(made, changes["sets"], body),
    )
    if tamper is None or is_replay:
        _say_misfit(signer, request, now)
    if is_replay:
        output.say(_expected(signer, request))
    request = aimed(request, called, url)
    form = signer.of.form if signer.of is not None else None
    if to is None:
        if form is not None and needs_challenge(form):
            output.say(
                "This form marks what comes without its token or proof of work as spam; --to sends"
                " both."
            )
        click.echo("\n\n".join([curl(request)] * (2 if is_replay else 1)))
        return
    if form is not None and signer.of is not None and needs_challenge(form):
        request = solve_challenge(request, signer.of, form)
    sys.exit(
        send_twice(request, signer)
        if is_replay
        else send(request, signer, settings, is_forged=tamper is not None)
    )


def _given(secret: str | None) -> str | None:
    """Return what --secret says: the text, or that of a file."""
    if not secret or not secret.startswith("@"):
        return secret or None
    try:
        return Path(secret[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(
            f"--secret {secret}: the file cannot be read:"
            f" {getattr(error, 'strerror', None) or error}"
        ) from error


def _here(settings: Settings) -> str:
    """Return the URL of this project's bridge on this machine."""
    from bridge.config.addresses import bracket

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.bind[0], settings.bind[0])  # noqa: S104 - how all addresses of this machine are reached
    return f"http://{bracket(host)}:{settings.bind[1]}"


def _target(to: str, source: str) -> str:
    from bridge.cli.options import url_of

    url = url_of(to)
    parts = urlsplit(url)
    return url if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/hooks/{source}"


def _signer(config: str | None, name: str, secret: str | None, *, made_up: bool) -> Signer:
    """Find who is meant: a source of that name, else the first source of that provider, else the
    provider by itself.
    """
    from bridge.providers.registry import PROVIDERS
    from bridge.routing.expressions.roots import near

    sources = _sources(config)
    source = sources.get(name) or next(
        (one for one in sources.values() if one.provider.name == name), None
    )
    if source is not None:
        return _of_source(source, secret, made_up=made_up)
    if name not in PROVIDERS:
        known = [*sources, *(provider for provider in PROVIDERS if provider not in sources)]
        there = f"; sources: {', '.join(sources)}" if sources else ""
        raise click.UsageError(
            f"there is no source or provider {name!r}; {near(name, known)}`flowbridge providers`"
            f" lists all{there}"
        )
    row = PROVIDERS[name]
    scheme = row.scheme or Hmac(at="header:X-Signature")
    pins = new_pins(scheme, lambda pin: _said(name, pin))
    scheme = pinned(scheme, pins)
    if isinstance(scheme, Unsigned):
        return Signer(name, row, scheme, "")
    if secret is None:
        made = new_secret(scheme)
        what = "a pair of keys" if is_pair(scheme) else "a secret"
        output.say(
            f"{_no_source(config, name)}: signed with {what} made up for this once"
            " (--secret takes another)"
        )
        if is_pair(scheme) or made_up:
            _say_made(made, pins)
        return Signer(name, row, scheme, made.signs)
    return Signer(name, row, scheme, signing_text(scheme, secret))


def _of_source(source: Source, secret: str | None, *, made_up: bool) -> Signer:
    """Return who signs for a source of routes.yaml; wrong usage where that takes a secret that is
    not there.
    """
    name = source.name
    title = source.provider.title
    scheme = source.scheme
    if isinstance(scheme, Unsigned):
        return Signer(name, source.provider, scheme, "", of=source)
    own = next(iter(live_secrets(source)), "")
    if made_up or not (secret or own or scheme.needs_secret):
        made = new_secret(scheme, own)
        keys = (
            "its secret is this"
            if own or scheme.needs_secret
            else f"it has this secret in place of the keys that {title} publishes"
        )
        output.say(
            f"Signed with what was made up for this once: the source {name} refuses it, unless"
            f" {keys}."
        )
        _say_made(made, {})
        return Signer(name, source.provider, scheme, made.signs, of=source)
    if secret:
        verified_by = source.secrets if is_pair(scheme, own) else ()
        return Signer(
            name, source.provider, scheme, signing_text(scheme, secret), verified_by, of=source
        )
    if not own:
        raise click.UsageError(_why_none(source))
    if is_pair(scheme, own):
        raise click.UsageError(
            f"{title} signs with a private key that is its own; what the source {name!r} has only"
            " verifies. Say --secret PRIVATE (the key, or @FILE), or --made-up for a pair of keys"
            " to try it with"
        )
    return Signer(name, source.provider, scheme, own, of=source)


def _why_none(source: Source) -> str:
    """Return why a source has no secret to sign with, and how to give it one."""
    if source.provider.learn:
        until = f"until {source.provider.title} tells it (flowbridge learn {source.name})"
        return f"the source {source.name!r} knows no secret {until}; say --secret"
    if any(one.value for one in source.secrets):
        return f"no secret of the source {source.name!r} is live (not_after); say --secret"
    if source.missing is None:
        return f"the source {source.name!r} has no secret; say --secret"
    return (
        f"the secret of the source {source.name!r} cannot be read: {source.missing}. Set it in"
        " .env, or say --secret"
    )


def _said(provider: str, pin: Pin) -> str | None:
    """Return what the sample of a provider says of a pin."""
    from bridge.providers.samples.loader import sample as unsigned
    from bridge.providers.signatures.request_view import View

    if ":" not in pin.at:  # only a part of what is signed, or a claim of a token
        return None
    return View(unsigned(provider, now=time.time(), new_id="sample")).find(compile_locator(pin.at))


def _say_made(made: Made, pins: Mapping[str, str]) -> None:
    """Tell people what a source must say for what was made up, and how to sign with it again."""
    output.say("To try it, a source in routes.yaml says:")
    output.say(f"  secret: {made.verifies}")
    if pins:
        output.say(f"  pins: {{{', '.join(f'{name}: {value!r}' for name, value in pins.items())}}}")
    if made.signs != made.verifies:
        output.say(
            "and its events are signed with --secret and this private key (or @FILE, where it is"
            " kept in one):"
        )
        output.say(f"  {made.signs}")


def _say_misfit(signer: Signer, request: Request, now: float) -> None:
    if not signer.verified_by:
        return
    try:
        signer.scheme.verify(request, signer.verified_by, now)
    except BadSignature:
        output.say(
            f"This private key does not belong to the secret of {signer.source}, which will refuse"
            " the event."
        )


def _no_source(config: str | None, name: str) -> str:
    """Return that no source is for a provider: there is no routes.yaml here, or none in it."""
    from bridge.cli.options import settings_of

    file = settings_of(config).config
    if not file.exists():
        return f"there is no {file.name} in {file.absolute().parent}"
    return f"routes.yaml has no source for {name}"


def _sources(config: str | None) -> Mapping[str, Source]:
    """The sources of routes.yaml, none where there is no such file."""
    from bridge.cli.options import settings_of

    settings = settings_of(config)
    if not settings.config.exists() and config is None and not os.environ.get("FLOWBRIDGE_CONFIG"):
        return {}
    return knowing(config, load_present(settings).sources)


def make(
    signer: Signer,
    type_: str | None,
    url: str,
    tamper: str | None,
    now: float,
    change: Callable[[Request], Request] = lambda made: made,
) -> Request:
    """Return a sample of the signer's provider, changed by `change` and then signed; tampered with
    if `tamper` names how.
    """
    from bridge.providers.samples.loader import sample as unsigned

    parts = urlsplit(url)
    try:
        request = unsigned(
            signer.provider.name,
            type_,
            now=now,
            new_id=secrets.token_hex(8),
            path=parts.path,
            url=url,
        )
        request = change(replace(request, query_string=parts.query))
        if tamper is not None:
            return forge(signer, request, tamper, now)
        return signer.scheme.sign(request, signer.secret, now)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _expected(signer: Signer, request: Request) -> str:
    try:
        return expected(signer, request)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def curl(request: Request) -> str:
    """Return a command for a shell that sends the request byte by byte."""
    lines = [f"curl -sS -i {shlex.quote(request.url)}"]
    lines += [f"  -H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers.items()]
    try:
        lines.append(f"  --data-binary {shlex.quote(request.body.decode())}")
    except UnicodeDecodeError:
        raise click.UsageError(
            "this body is no text, so no shell command holds it; send it with --to"
        ) from None
    return " \\\n".join(lines)
