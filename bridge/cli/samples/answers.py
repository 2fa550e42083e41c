"""Send a sample, and say what the bridge's answer means: why it was refused, or what became of the
event, and the next step.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click
import orjson

from bridge.cli.ui import output
from bridge.core.errors import BridgeError, NotFound
from bridge.core.http_messages import Answer, Call, Lost, Request
from bridge.core.model import Status
from bridge.services.samples.replay import REFUSED, verdict

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.services.samples.forgeries import Signer
    from bridge.store.queries.event_lookup import EventHistory

SECONDS: Final = 30.0  # that the bridge may take to answer
#: By the error code of an answer, or else by its status: what it means, and what to do.
#: In braces: source, provider, path, status, and what the source lacks.
MEANINGS: Final = {
    "unauthorized": (
        (
            "the bridge could not verify it. It has another secret for {source} than this event was"
            " signed with, or the event was changed on the way"
        ),
        "where the bridge runs, see what was wrong: flowbridge rejects --source {source} --limit 1",
    ),
    "unknown_source": (
        "the bridge has no source at {path}",
        "check the name in the URL, or add the source: flowbridge add {provider}",
    ),
    "no_secret": (
        "the bridge has no secret for {source}{lack}",
        (
            "where the bridge runs, set it in .env, which is read again by itself: flowbridge check"
            " names the variable"
        ),
    ),
    "store_failed": (
        "the bridge could not store it",
        "where the bridge runs, see what its database or disk lacks: flowbridge status",
    ),
    "too_many": (
        "the source {source} receives too many requests",
        "wait a moment, or raise its `rate` in routes.yaml",
    ),
    "too_large": ("the body is larger than {source} takes", "raise its `max_body` in routes.yaml"),
    "invalid": (
        "the schema of the form {source} refuses these fields",
        "set others with --set form.NAME=VALUE, or with --body FILE",
    ),
    "empty": ("no field of the form {source} has a value", "set one with --set form.NAME=VALUE"),
    "404": ("nothing receives events at {path}", "send it to /hooks/{source}"),
    "405": ("{path} does not take events", "send it to /hooks/{source}"),
    "421": (
        "the private face of the bridge does not know this host name",
        "send it to the public address of the bridge",
    ),
    "507": (
        "the bridge has no room for more of {source}",
        "where the bridge runs, see what is full: flowbridge status",
    ),
}
OTHER: Final = ("the bridge answered {status}", "read the log of the bridge")


def send(request: Request, signer: Signer, settings: Settings, *, is_forged: bool) -> int:
    """Send the request, say what its answer means, and return the exit code."""
    answer = _answered(request, 401 if is_forged else 200)
    code = _judge(answer, request, signer, is_forged=is_forged)
    if answer.status // 100 == 2:
        _say_outcome(answer, settings)
    return code


def send_twice(request: Request, signer: Signer) -> int:
    """Send the request two times, say whether the second is the same event, and return the exit
    code.
    """
    first = _answered(request, 200)
    second = _answered(request, 200)
    fine, said = verdict(first, second)
    if first.status // 100 != 2:
        _explain_refusal(first, request, signer)
    output.say(said)
    return 0 if fine else 1


def _judge(answer: Answer, request: Request, signer: Signer, *, is_forged: bool) -> int:
    status = answer.status
    is_taken = status // 100 == 2
    if is_taken != is_forged and (is_taken or status in REFUSED):
        return 0
    if status // 100 == 3:  # as a proxy sends http:// on to https://
        where = output.clean(answer.headers.get("location", "another"))
        output.say(f"The URL leads to {where}, and senders do not follow: give them that one.")
    elif not is_forged:
        _explain_refusal(answer, request, signer)
    elif is_taken:
        output.say("The forgery was accepted.")
    else:
        output.say(f"Answered {status}: that it was refused for its signature is not said.")
    return 1


def _explain_refusal(answer: Answer, request: Request, signer: Signer) -> None:
    """Say why an event was not accepted, and the next step."""
    found, step = (
        MEANINGS.get(str(_json(answer).get("error"))) or MEANINGS.get(str(answer.status)) or OTHER
    )
    missing = signer.of.missing if signer.of is not None else None
    named = {
        "source": signer.source,
        "provider": signer.provider.name,
        "path": urlsplit(request.url).path or "/",
        "status": answer.status,
        "lack": f": {missing}" if missing else "",
    }
    output.say(output.clean(f"The event was not accepted: {found.format_map(named)}."))
    output.say(output.clean(f"Next: {step.format_map(named)}"))


def _say_outcome(answer: Answer, settings: Settings) -> None:
    """Say that an accepted event starts nothing, or not all that its routes should: the answer, or
    the store of this project, says so.
    """
    said = _json(answer)
    event_id = said.get("event_id")
    if not isinstance(event_id, str) or said.get("duplicate"):
        return
    found = _stored(event_id, settings)
    if found is not None and found.event.spam:
        output.say(
            f"It was marked as spam ({found.event.spam}), so it starts nothing.\nIf it is none:"
            f" flowbridge spam release {event_id}"
        )
    elif found is not None and found.event.problem:
        output.say(
            f"It starts nothing, as its body cannot be used ({found.event.problem}).\nSee it:"
            f" flowbridge show {event_id}"
        )
    elif said.get("deliveries") == 0 or (found is not None and not found.deliveries):
        output.say(
            "No route matched this event, so it starts nothing.\nSee which clause failed:"
            f" flowbridge show {event_id}"
        )
    elif found is not None and (dead := sum(one.status is Status.DEAD for one in found.deliveries)):
        which = (
            f"{dead} of {len(found.deliveries)} deliveries"
            if len(found.deliveries) > 1
            else "its delivery"
        )
        output.say(f"Dead: {which}.\nSee why: flowbridge show {event_id}")


def _stored(event_id: str, settings: Settings) -> EventHistory | None:
    """Return the event with its deliveries as the store of this project has it, null where that has
    no such event.
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


def _answered(request: Request, wanted: int) -> Answer:
    """Send the request, and print what is answered: green for the kind of status that is
    `wanted`.
    """
    from bridge.system.http_client import Sender

    sender = Sender()
    started = time.monotonic()
    answer = sender.send(
        Call(method=request.method, url=request.url, headers=request.headers, body=request.body),
        SECONDS,
    )
    took = (time.monotonic() - started) * 1000
    sender.close()
    if isinstance(answer, Lost):
        raise BridgeError(f"not sent: {output.unanswered(answer.reason)}")
    is_fine = (answer.status // 100 == 2) == (wanted // 100 == 2)
    status = click.style(str(answer.status), fg="green" if is_fine else "red")
    click.echo(
        f"{status}  {output.clean(answer.body.decode('utf-8', 'replace').strip())}  ({took:.0f} ms)"
    )
    return answer
