"""sample: a signed, realistic event, as a curl command or sent to a bridge."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from bridge.cli.body_file import read_body_file
from bridge.cli.command_settings import settings_of
from bridge.cli.completion_values import complete_senders
from bridge.cli.options import parse_url, wrong_usage
from bridge.cli.ui import output
from bridge.cli.ui.sample_result import send_and_explain, send_twice
from bridge.cli.usable_config import with_learned_secrets
from bridge.core.errors import BadSignature
from bridge.services.samples.edits import edit_sample
from bridge.services.samples.forgeries import FORGERIES, Signer
from bridge.services.samples.form_challenge import needs_challenge, solve_challenge
from bridge.services.samples.replay import REPLAY, describe_expected
from bridge.services.samples.requests import curl_command, make_sample
from bridge.services.samples.signers import ChosenSigner, choose_signer
from bridge.services.samples.signing import redirect_request, signed_url
from bridge.services.usable_config import load_present

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.core.http_messages import Request
    from bridge.routing.form import Form
    from bridge.routing.model import Source


THIS_BRIDGE = ""  # the value of --to without a URL


@click.command()
@click.argument("provider", metavar="PROVIDER|SOURCE", shell_complete=complete_senders)
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option(
    "--to",
    metavar="[URL]",
    is_flag=False,
    flag_value=THIS_BRIDGE,
    help=(
        "Send it to URL (default: the bridge of this project). The path /hooks/SOURCE is added if"
        " URL has none."
    ),
)
@click.option(
    "--secret",
    metavar="SECRET|@FILE",
    help="The secret to sign with (default: that of the source in routes.yaml).",
)
@click.option(
    "--made-up",
    is_flag=True,
    help="Sign with a generated secret or key pair, and print it.",
)
@click.option(
    "--tamper",
    type=click.Choice([*FORGERIES, REPLAY]),
    help="Make a forgery that must be refused; replay: send it twice.",
)
@click.option(
    "--set",
    "sets",
    metavar="PATH=VALUE",
    multiple=True,
    help=(
        "Set a value before signing, by its path as in `match`. VALUE is JSON if it parses, else"
        " text. A missing path is added. Repeatable."
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
    """Make a realistic event, signed as its provider signs, and print it as a curl command. With
    --to, send it.

    --set and --body change the event before it is signed. If a form requires a token or a proof of
    work, --to sends both, like a browser.

    With --to, the command prints why an event was refused, or why an accepted one starts nothing.
    Exit code 0: the event was accepted, or the forgery was refused, or the copy was recognized.

    A sender that signs the URL gets that of FLOWBRIDGE_PUBLIC_URL. For senders with a key pair
    (Discord, SendGrid, PayPal), pass a private key of your own with --secret, or generate a pair
    with --made-up.

    \b
    flowbridge sample github
    flowbridge sample github --to            to the running bridge of this project
    flowbridge sample stripe invoice.paid --to
    flowbridge sample stripe invoice.paid --set body.data.object.amount_paid=25000 --to
    flowbridge sample github issues --body payload.json --to
    flowbridge sample github --to --tamper body
    flowbridge sample discord --secret @private.pem
    """
    if made_up and secret is not None:
        raise click.UsageError("--secret and --made-up cannot be combined")
    settings = settings_of(config)
    with wrong_usage():
        choice = choose_signer(
            _sources(config), settings.config, provider, _given(secret), made_up=made_up
        )
    signer = choice.signer
    url = _choose_url(settings, to, signer.source)
    _say_generated(choice)
    now = time.time()
    is_replay = tamper == REPLAY
    signed = signed_url(settings, url)
    body = read_body_file(changes["body_file"]) if changes["body_file"] is not None else None
    with wrong_usage():
        request = make_sample(
            signer,
            type_,
            signed,
            None if is_replay else tamper,
            now,
            lambda made: edit_sample(made, changes["sets"], body, output.say),
        )
    if tamper is None or is_replay:
        _say_misfit(signer, request, now)
    if is_replay:
        output.say(_expected(signer, request))
    request = redirect_request(request, signed, url)
    if to is None:
        _print_command(request, signer, copies=2 if is_replay else 1)
        return
    request = _answer_challenge(request, signer)
    sys.exit(
        send_twice(request, signer)
        if is_replay
        else send_and_explain(request, signer, settings, is_forged=tamper is not None)
    )


def _print_command(request: Request, signer: Signer, *, copies: int) -> None:
    form = signer.configured.form if signer.configured is not None else None
    if form is not None and needs_challenge(form):
        output.say(
            "This form marks submissions without its token or proof of work as spam; --to sends"
            " both."
        )
    with wrong_usage():
        command = curl_command(request)
    click.echo("\n\n".join([command] * copies))


def _answer_challenge(request: Request, signer: Signer) -> Request:
    """Return the request with the solved challenge of its form, if the form has one."""
    source = signer.configured
    if source is None or source.form is None or not needs_challenge(source.form):
        return request
    return _solve_challenge(request, source, source.form)


def _solve_challenge(request: Request, source: Source, form: Form) -> Request:
    """Solve the challenge of a form, and wait as long as a person takes to fill it in."""
    solved = solve_challenge(request, source, form)
    output.say(
        f"The form requires {' and '.join(solved.fields) or 'nothing'}: fetched and solved. Waiting"
        f" {solved.min_fill_seconds:g} s, as long as a person needs."
    )
    time.sleep(solved.min_fill_seconds)
    return solved.request


def _given(secret: str | None) -> str | None:
    """Return the secret that --secret gives, as text or in a file."""
    if not secret or not secret.startswith("@"):
        return secret or None
    try:
        return Path(secret[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(
            f"--secret {secret}: the file cannot be read:"
            f" {getattr(error, 'strerror', None) or error}"
        ) from error


def _choose_url(settings: Settings, to: str | None, source: str) -> str:
    """Return the URL to sign and send to; wrong usage where --to means the bridge of this project,
    and there is none.

    `to`: the value of --to.
    """
    if to is None:
        return f"{settings.public_url or settings.bound_url}/hooks/{source}"
    if to == THIS_BRIDGE and not settings.config.exists():
        raise click.UsageError(
            f"there is no {settings.config.name} in {settings.config.absolute().parent}, so --to"
            " needs a URL; or run this in the folder of a project, or pass --config FILE"
        )
    return _target(settings.bound_url if to == THIS_BRIDGE else to, source)


def _target(to: str, source: str) -> str:
    url = parse_url(to)
    parts = urlsplit(url)
    return url if parts.path.strip("/") else f"{parts.scheme}://{parts.netloc}/hooks/{source}"


def _say_generated(choice: ChosenSigner) -> None:
    """Print that a secret was generated, what a source needs to accept it, and how to use it
    again.
    """
    if choice.note:
        output.say(choice.note)
    made = choice.generated
    pins = choice.pins
    if made is None:
        return
    if made.signs == made.verifies:
        output.say("To have a source accept it, put it into .env as the source's secret:")
        output.say(f"  {made.verifies}")
    else:
        output.say("To have a source accept it, set in routes.yaml:")
        output.say(f"  secret: {made.verifies}")
    if pins:
        output.say(f"  pins: {{{', '.join(f'{name}: {value!r}' for name, value in pins.items())}}}")
    if made.signs != made.verifies:
        output.say("and sign its events with --secret and this private key (or @FILE):")
        output.say(f"  {made.signs}")


def _say_misfit(signer: Signer, request: Request, now: float) -> None:
    if not signer.verified_by:
        return
    try:
        signer.scheme.verify(request, signer.verified_by, now)
    except BadSignature:
        output.say(
            f"This private key does not match the secret of {signer.source}, which will refuse the"
            " event."
        )


def _sources(config: str | None) -> Mapping[str, Source]:
    """Return the sources of routes.yaml, none where there is no such file."""
    settings = settings_of(config)
    if not settings.config.exists() and config is None and not os.environ.get("FLOWBRIDGE_CONFIG"):
        return {}
    return with_learned_secrets(config, load_present(settings).sources)


def _expected(signer: Signer, request: Request) -> str:
    try:
        return describe_expected(signer, request)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
