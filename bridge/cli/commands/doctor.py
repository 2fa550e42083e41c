"""doctor: prove on the running bridge that good requests get in and bad ones stay out, with nothing
kept of either.
"""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from itertools import chain, groupby
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import orjson

from bridge.cli.options import AS_JSON, settings_of, url_of
from bridge.cli.samples.sources import aimed, called_as, knowing, live_secrets
from bridge.cli.ui import output
from bridge.cli.ui.output import Column
from bridge.core.errors import BridgeError
from bridge.core.http_messages import Answer, Call, Lost, Request
from bridge.core.status import DAY
from bridge.monitoring import certificate
from bridge.monitoring.checks.certificate import WARNING_SECONDS
from bridge.providers.signatures.locations import signs_url
from bridge.providers.signatures.pairs import is_pair
from bridge.providers.signatures.shared_token import Unsigned
from bridge.services.file_modes import exposed_files
from bridge.services.samples.forgeries import KINDS, Signer, forge
from bridge.services.samples.replay import REPLAY, expected
from bridge.services.usable_config import load_present
from bridge.web import dry_run

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Source
    from bridge.system.http_client import Sender

COLUMNS = (
    Column("check", whole=True),
    Column("of", whole=True),
    Column("result", style=output.styled, whole=True),
    Column("found", spare=True),
)

# the checks of a good request, and how those of forgeries begin
GOOD = "good"
FORGED = "forged "
CLOCK = 5.0  # seconds that two clocks may differ
PATIENCE = 15.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was tried, of which source, `ok`, `warning` or `error`, and what was found."""

    check: str
    of: str
    result: str
    found: str


@click.command()
@click.option(
    "--to",
    metavar="URL",
    help="The bridge to try (default: FLOWBRIDGE_PUBLIC_URL, else the address it is bound to).",
)
@click.option(
    "-v", "--verbose", is_flag=True, help="A row for each check, also for those that were passed."
)
@AS_JSON
@click.pass_obj
def doctor(config: str | None, /, to: str | None, verbose: bool, as_json: bool) -> None:
    """Prove that bad requests stay out: each source of the running bridge gets a good sample and
    forgeries of it, in a dry mode.

    Nothing is kept of them, so that a replay is only spoken of, not tried. Beside that it looks at
    the public URL, its certificate, the clock, and the size of body that a proxy lets through. The
    exit code is 1 where something is wrong.

    A source whose secret is not set is a row that says so, and the others are tried. Of each source
    one row says how many forgeries were refused, and whether a good request got in; --verbose and
    --json list each check.

    \b
    flowbridge doctor
    flowbridge doctor -v
    flowbridge doctor --to https://hooks.example.com
    """
    from bridge.system.http_client import Sender

    settings = settings_of(config, secrets=True)
    read = load_present(settings)
    sources = knowing(config, read.sources)
    target = (
        url_of(to) if to else settings.public_url or f"http://{settings.bind[0]}:{settings.bind[1]}"
    ).rstrip("/")
    sender = Sender()
    findings: list[Finding] = []
    exposed = (
        Finding("file modes", "-", "warning", text)
        for text in exposed_files(settings, read.canonical)
    )
    try:
        for finding in chain(examine(sender, target, settings, list(sources.values())), exposed):
            findings.append(finding)
            if as_json:
                output.json_line(
                    {
                        "check": finding.check,
                        "of": finding.of,
                        "result": finding.result,
                        "found": finding.found,
                    }
                )
    finally:
        sender.close()
    if not as_json:
        shown = findings if verbose else list(summed_up(findings))
        output.print_table(COLUMNS, ((one.check, one.of, one.result, one.found) for one in shown))
    bad = sum(one.result == "error" for one in findings)
    output.say(
        f"{len(findings)} checks at {target}: "
        + (f"{bad} went wrong" if bad else "bad requests stay out, good ones get in")
    )
    sys.exit(1 if bad else 0)


def summed_up(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings, those of signed requests to one source as one; what went wrong is a row
    of its own beside it.
    """
    for of, some in groupby(findings, key=lambda one: one.of if _is_trial(one) else None):
        trials = list(some)
        if of is None:
            yield from trials
            continue
        yield from (one for one in trials if one.result not in ("ok", "-"))
        forged = [one for one in trials if one.check.startswith(FORGED) and one.result != "-"]
        refused = sum(one.result == "ok" for one in forged)
        good = sum(one.check == GOOD and one.result == "ok" for one in trials)
        fine = refused == len(forged) and good
        got = "a good request gets in" if good else "no good request got in"
        yield Finding(
            "requests",
            of,
            "ok" if fine else "error",
            f"forgeries {refused} of {len(forged)} refused, {got}",
        )


def _is_trial(one: Finding) -> bool:
    return one.check in (GOOD, REPLAY) or one.check.startswith(FORGED)


def examine(
    sender: Sender, target: str, settings: Settings, sources: list[Source]
) -> Iterator[Finding]:
    """Yield all findings. `BridgeError` where the bridge cannot be reached, or does not know dry
    requests of this secret key.
    """
    yield from _reachable(sender, target, settings)
    for source in sources:
        if source.missing is not None:
            what = (
                f"not tried: {source.missing}. Set it in .env; until then requests that need it are"
                " answered 503"
            )
            yield Finding("secret", source.name, "error", what)
            continue
        if isinstance(source.scheme, Unsigned):
            what = (
                "a form is public by nature"
                if source.provider.name == "form"
                else "insecure: anyone may send to it"
            )
            yield Finding(
                "verified", source.name, "ok" if source.provider.name == "form" else "warning", what
            )
            continue
        if not source.secrets:
            what = "not learned yet" if source.provider.learn else "published by the sender"
            yield Finding(
                "verified",
                source.name,
                "-",
                f"what it is signed with is {what}, so nothing can be signed here to try it",
            )
            continue
        yield from _tried(sender, target, settings, source)
    signed = (one for one in sources if one.secrets and one.missing is None)
    if (largest := max(signed, key=lambda one: one.max_body, default=None)) is not None:
        yield _size(sender, target, settings.secret_key, largest)


# -- the way there


def _reachable(sender: Sender, target: str, settings: Settings) -> Iterator[Finding]:
    before = time.time()
    try:
        answer = _ask(sender, Call(method="GET", url=f"{target}/healthz", headers={}, body=b""))
    except BridgeError as error:
        if target != (settings.public_url or "").rstrip("/"):
            raise
        bound = f"http://{settings.bind[0]}:{settings.bind[1]}"
        raise BridgeError(
            f"{error}. Next: check FLOWBRIDGE_PUBLIC_URL, its DNS name and the proxy; without"
            f" them: flowbridge doctor --to {bound}"
        ) from None
    if answer.status != 200:
        raise BridgeError(
            f"{target}/healthz answers {answer.status}: is that a flowbridge, and does the proxy"
            " pass /healthz on?"
        )
    yield Finding(
        "reached", target, "ok", f"/healthz answers 200 in {(time.time() - before) * 1000:.0f} ms"
    )
    if not settings.public_url:
        yield Finding(
            "public URL",
            "-",
            "warning",
            "FLOWBRIDGE_PUBLIC_URL is not set: senders that sign the URL cannot be verified",
        )
    elif urlsplit(settings.public_url).scheme != "https":
        yield Finding(
            "public URL",
            settings.public_url,
            "warning",
            "it is not https: tokens and payloads travel in clear",
        )
    if urlsplit(target).scheme == "https":
        yield _certificate(target)
    if "date" in answer.headers:
        yield _clock(answer.headers["date"], before)


def _certificate(target: str) -> Finding:
    """Connections of the sender verified it already; here is how long it lasts."""
    host = urlsplit(target).hostname or ""
    seen = certificate.look(target)
    if seen.refused is not None:
        return Finding("certificate", host, "error", f"senders do not trust it: {seen.refused}")
    if seen.ends_at is None:
        return Finding("certificate", host, "error", f"it was not seen: {seen.unreached}")
    left = seen.ends_at - time.time()
    return Finding(
        "certificate",
        host,
        "ok" if left > WARNING_SECONDS else "warning",
        f"valid for {left / DAY:.0f} more days",
    )


def _clock(date: str, now: float) -> Finding:
    try:
        apart = abs(parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return Finding("clock", "-", "warning", "the answer's Date cannot be read")
    if apart <= CLOCK:
        return Finding("clock", "-", "ok", "this machine's clock and the server's agree")
    return Finding(
        "clock",
        "-",
        "error",
        f"this machine's clock and the server's are {apart:.0f} seconds apart: signed times will"
        " not fit",
    )


# -- what gets in


def _tried(sender: Sender, target: str, settings: Settings, source: Source) -> Iterator[Finding]:
    """A forgery comes first: one that is not known as dry shows it, and no good request is sent to
    leave an event behind.
    """
    from bridge.providers.samples.loader import sample

    live = live_secrets(source)
    if not live:
        yield Finding(
            "verified",
            source.name,
            "error",
            "no secret of it is live (not_after), so everything is refused",
        )
        return
    secret = next((one for one in live if not is_pair(source.scheme, one)), None)
    if secret is None:
        yield Finding(
            "verified",
            source.name,
            "-",
            "only the sender has the private key, so nothing can be signed here to try it",
        )
        return
    signer = Signer(source.name, source.provider, source.scheme, secret, of=source)
    url = f"{target}/hooks/{source.name}"
    now = time.time()
    called = called_as(settings, url)
    request = sample(
        source.provider.name,
        None,
        now=now,
        new_id=secrets.token_hex(8),
        path=f"/hooks/{source.name}",
        url=called,
    )
    try:
        good = source.scheme.sign(request, signer.secret, now)
    except ValueError as error:
        yield Finding(GOOD, source.name, "warning", f"no sample can be signed here: {error}")
        return
    marks = {dry_run.HEADER.lower(): dry_run.token(settings.secret_key, source.name)}
    for kind in ("header", *(kind for kind in KINDS if kind != "header")):
        try:
            forgery = forge(signer, request, kind, now)
        except ValueError as reason:
            yield Finding(f"{FORGED}{kind}", source.name, "-", str(reason))
            continue
        answer = _send(sender, aimed(forgery, called, url), marks)
        fine = answer.status == 401
        found = "stays out (401)" if fine else f"answered {answer.status}, not 401"
        yield Finding(f"{FORGED}{kind}", source.name, "ok" if fine else "error", found)
    answer = _send(sender, aimed(good, called, url), marks)
    fine = answer.status // 100 == 2
    found = (
        f"gets in ({answer.status})"
        if fine
        else f"answered {answer.status}: {_why(source, good, answer)}"
    )
    yield Finding(GOOD, source.name, "ok" if fine else "error", found)
    yield _replayed(signer, good, target)


def _why(source: Source, good: Request, answer: Answer) -> str:
    """Return why a request that is signed as it should be was refused, by what the bridge says
    arrived of it.
    """
    try:
        came = orjson.loads(answer.body).get("arrived")
    except (orjson.JSONDecodeError, AttributeError):
        came = None
    if came is None:
        return "it does not say why"
    found = "; ".join(dry_run.changes(good, came, signs_url=signs_url(source.scheme)))
    return (
        f"on the way {found}"
        if found
        else (
            "it came as it was sent, so the running bridge has another secret or another"
            " routes.yaml"
        )
    )


def _replayed(signer: Signer, good: Request, target: str) -> Finding:
    """A second copy is known by the first, and nothing is kept of a dry one: say how to try it, or
    that it would not be known.
    """
    try:
        expected(signer, good)
    except ValueError as reason:
        return Finding(REPLAY, signer.source, "-", str(reason))
    how = f"flowbridge sample {signer.source} --to {target} --tamper replay"
    return Finding(
        REPLAY, signer.source, "-", f"not tried, as dry requests are not stored; to try it: {how}"
    )


def _send(sender: Sender, request: Request, marks: dict[str, str]) -> Answer:
    headers = {**request.headers, **marks}
    answer = _ask(sender, Call(method="POST", url=request.url, headers=headers, body=request.body))
    if answer.headers.get(dry_run.HEADER.lower()) != dry_run.DONE and answer.status != 413:
        raise BridgeError(
            f"{request.url} answers {answer.status} and does not take the request as dry: it has"
            " another FLOWBRIDGE_SECRET_KEY (or <data>/secret_key), another routes.yaml or an"
            " older flowbridge, or a proxy answers in its place. Nothing more was sent."
        )
    return answer


def _size(sender: Sender, target: str, secret_key: str, source: Source) -> Finding:
    """Whether a body as large as the largest that is allowed gets through, or a proxy refuses it
    first.
    """
    path = f"/hooks/{source.name}"
    request = Request(
        method="POST",
        path=path,
        headers={"content-type": "text/plain"},
        body=b"x" * source.max_body,
        url=target + path,
    )
    mib = f"{source.max_body / 1024 / 1024:.0f} MiB"
    try:
        answer = _send(
            sender,
            replace(request),
            {dry_run.HEADER.lower(): dry_run.token(secret_key, source.name)},
        )
    except BridgeError as error:
        return Finding(
            "largest body", source.name, "error", f"{mib} (max_body) do not get through: {error}"
        )
    if answer.status == 413:
        found = f"a proxy refuses {mib} (max_body): raise its limit (client_max_body_size in nginx)"
        return Finding("largest body", source.name, "error", found)
    return Finding("largest body", source.name, "ok", f"{mib} (max_body) get through")


def _ask(sender: Sender, call: Call) -> Answer:
    answer = sender.send(call, PATIENCE)
    if isinstance(answer, Lost):
        raise BridgeError(f"{call.url}: {output.unanswered(answer.reason)}")
    return answer
