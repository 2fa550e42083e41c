"""Explanations of a bridge's answers to samples: the reason of a refusal, the outcome of an event,
and the next step.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson

from bridge.core.advice import name_command
from bridge.core.errors import BridgeError, NotFound
from bridge.core.http_messages import Answer, Call, Request
from bridge.core.model import Status
from bridge.providers.signatures.locations import signs_url
from bridge.services.bridge_calls import call_bridge
from bridge.services.samples.replay import REFUSAL_STATUSES, judge_answers

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.services.samples.forgeries import Signer
    from bridge.store.queries.event_lookup import EventHistory

ANSWER_SECONDS: Final = 30.0  # until a sample counts as not answered
SIGNED_URL: Final = "signed_url"  # instead of "unauthorized", if the sender signs the URL
#: By the error code of an answer, or else by its status: the meaning and the next step.
#: In braces: source, provider, path, status, the missing value of the source (lack), and commands.
MEANINGS: Final = {
    "unauthorized": (
        (
            "the bridge could not verify it. Its secret for {source} is not the one that signed"
            " this event, or the event was changed on the way"
        ),
        ("on the machine of the bridge, see the reason: {rejects}"),
    ),
    SIGNED_URL: (
        (
            "the bridge could not verify it. {provider} signs the URL, and the bridge expects"
            " another one than this sample was signed for, or its secret for {source} is another"
        ),
        (
            "set FLOWBRIDGE_PUBLIC_URL in .env and restart the bridge; else see the reason:"
            " {rejects}"
        ),
    ),
    "unknown_source": (
        "the bridge has no source at {path}",
        "check the name in the URL, or add the source: {add}",
    ),
    "no_secret": (
        "the bridge has no secret for {source}{lack}",
        (
            "on the machine of the bridge, set it in .env (no restart is needed): {check}"
            " shows the variable"
        ),
    ),
    "store_failed": (
        "the bridge could not store it",
        "on the machine of the bridge, check its database and disk: {look}",
    ),
    "too_many": (
        "the source {source} receives too many requests",
        "wait a moment, or raise its `rate` in routes.yaml",
    ),
    "too_large": (
        "the body is larger than {source} accepts",
        "raise its `max_body` in routes.yaml",
    ),
    "invalid": (
        "the form {source} refuses these fields",
        "set others with --set form.NAME=VALUE, or with --body FILE",
    ),
    "empty": ("no field of the form {source} has a value", "set one with --set form.NAME=VALUE"),
    "404": ("nothing receives events at {path}", "send it to /hooks/{source}"),
    "405": ("{path} does not accept events", "send it to /hooks/{source}"),
    "421": (
        "the private address of the bridge does not accept this host name",
        "send it to the public address of the bridge",
    ),
    "507": (
        "the bridge has no room for more of {source}",
        "on the machine of the bridge, see what is full: {look}",
    ),
}
OTHER: Final = ("the bridge answered {status}", "read the log of the bridge")


@dataclass(frozen=True, slots=True)
class SampleResult:
    """The judgement of an answer: whether it is the expected one, and sentences that explain it."""

    is_expected: bool
    sentences: tuple[str, ...] = ()


def send_sample(request: Request) -> tuple[Answer, float]:
    """Send a sample, and return the answer and the milliseconds until it came.

    Raises `BridgeError` where no answer came.
    """
    from bridge.system.http_client import HttpClient

    sender = HttpClient()
    started = time.monotonic()
    try:
        answer = call_bridge(
            sender,
            Call(
                method=request.method, url=request.url, headers=request.headers, body=request.body
            ),
            ANSWER_SECONDS,
            "not sent: ",
        )
    finally:
        sender.close()
    return answer, (time.monotonic() - started) * 1000


def judge_answer(
    answer: Answer, request: Request, signer: Signer, settings: Settings, *, is_forged: bool
) -> SampleResult:
    """Return whether a sample was accepted, or a forgery refused, with reasons and next steps."""
    status = answer.status
    is_taken = status // 100 == 2
    outcome = _explain_outcome(answer, settings) if is_taken else ()
    if is_taken != is_forged and (is_taken or status in REFUSAL_STATUSES):
        return SampleResult(True, outcome)
    if status // 100 == 3:  # as a proxy sends http:// on to https://
        where = answer.headers.get("location", "another")
        return SampleResult(
            False,
            (f"The URL redirects to {where}, and senders do not follow redirects: use that URL.",),
        )
    if not is_forged:
        return SampleResult(False, _explain_refusal(answer, request, signer))
    if is_taken:
        return SampleResult(False, ("The forgery was accepted.", *outcome))
    return SampleResult(
        False, (f"Answered {status}: the answer does not show that the signature was the reason.",)
    )


def judge_replay(first: Answer, second: Answer, request: Request, signer: Signer) -> SampleResult:
    """Return whether the second copy of a sample was recognized as the same event, or refused."""
    is_expected, text = judge_answers(first, second)
    refusal = () if first.status // 100 == 2 else _explain_refusal(first, request, signer)
    return SampleResult(is_expected, (*refusal, text))


def _explain_refusal(answer: Answer, request: Request, signer: Signer) -> tuple[str, str]:
    code = str(_json(answer).get("error"))
    if code == "unauthorized" and signs_url(signer.scheme):
        code = SIGNED_URL
    cause, step = MEANINGS.get(code) or MEANINGS.get(str(answer.status)) or OTHER
    missing = signer.configured.missing if signer.configured is not None else None
    named = {
        "source": signer.source,
        "provider": signer.provider.name,
        "path": urlsplit(request.url).path or "/",
        "status": answer.status,
        "lack": f": {missing}" if missing else "",
        "rejects": name_command("rejects", source=signer.source, limit="1"),
        "add": name_command("add", signer.provider.name),
        "check": name_command("check"),
        "look": name_command("status"),
    }
    return (
        f"The event was not accepted: {cause.format_map(named)}.",
        f"Next: {step.format_map(named)}",
    )


def _explain_outcome(answer: Answer, settings: Settings) -> tuple[str, ...]:
    """Return why an accepted event starts nothing, or not all that its routes should.

    The answer or the store of this project says so; nothing where neither does.
    """
    said = _json(answer)
    event_id = said.get("event_id")
    if not isinstance(event_id, str) or said.get("duplicate"):
        return ()
    history = _stored(event_id, settings)
    show = name_command("show", event_id)
    if history is not None and history.event.spam:
        return (
            f"It was marked as spam ({history.event.spam}), so it starts nothing.",
            f"If it is not spam: {name_command('spam release', event_id)}",
        )
    if history is not None and history.event.problem:
        return (
            f"It starts nothing, since its body cannot be used ({history.event.problem}).",
            f"See it: {show}",
        )
    if said.get("deliveries") == 0 or (history is not None and not history.deliveries):
        return (
            "No route matched this event, so it starts nothing.",
            f"See which clause failed: {show}",
        )
    if history is not None and (
        dead := sum(delivery.status is Status.DEAD for delivery in history.deliveries)
    ):
        which = (
            f"{dead} of {len(history.deliveries)} deliveries"
            if len(history.deliveries) > 1
            else "its delivery"
        )
        return (f"Dead: {which}.", f"See why: {show}")
    return ()


def _stored(event_id: str, settings: Settings) -> EventHistory | None:
    """Return the event with its deliveries from the store of this project; None where it has no
    such event.
    """
    from bridge.services.store_access import open_store
    from bridge.store.queries import event_lookup

    try:
        with open_store(settings) as database:
            return event_lookup.show(database, event_id) if database is not None else None
    except (BridgeError, NotFound):
        return None


def _json(answer: Answer) -> dict[str, Any]:
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}
