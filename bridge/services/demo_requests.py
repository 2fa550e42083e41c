"""The requests of the demo: signed samples and a forgery, from sending to the end of their runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import orjson

from bridge.config.loader import load
from bridge.core.errors import BridgeError
from bridge.core.http_messages import Answer, Call, NoAnswer, Request
from bridge.core.model import Delivery, Event, RunState
from bridge.services.events.delivery_states import is_over
from bridge.services.samples.forgeries import Signer
from bridge.services.samples.requests import make_sample
from bridge.store.inbound import events
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.store.db.database import Database

ANSWER_SECONDS: Final = 30.0  # until a request fails


@dataclass(slots=True)
class DemoRequest:
    """One request of the demo, from its sending to the end of its runs."""

    source: str
    type: str
    forged: bool = False
    answer: Answer | None = None
    took: float = 0.0  # milliseconds
    event: Event | None = None
    deliveries: tuple[Delivery, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether all its runs have ended, or it was refused."""
        if self.forged or (self.answer is not None and self.answer.status != 202):
            return self.answer is not None
        return (
            self.event is not None and bool(self.deliveries) and all(map(is_over, self.deliveries))
        )

    @property
    def is_well(self) -> bool:
        """Whether it ended as expected."""
        if self.forged:
            return self.answer is not None and self.answer.status == 401
        return bool(self.deliveries) and all(
            delivery.run_state is RunState.DONE for delivery in self.deliveries
        )


def send_request(settings: Settings, story: DemoRequest) -> None:
    """Send a request to the demo's bridge, and store the answer in it."""
    request = make_request(settings, story.source, story.type, forged=story.forged)
    sender = HttpClient()
    started = time.monotonic()
    answer = sender.send(
        Call(method="POST", url=request.url, headers=request.headers, body=request.body),
        Deadline.after(ANSWER_SECONDS),
    )
    sender.close()
    if isinstance(answer, NoAnswer):
        raise BridgeError(f"the server of the demo does not answer: {answer.reason}")
    story.answer = answer
    story.took = (time.monotonic() - started) * 1000


def make_request(settings: Settings, source: str, type_: str, *, forged: bool = False) -> Request:
    """Return a signed sample for a source of the demo."""
    configured = load(settings.config, settings.environ).sources[source]
    signer = Signer(
        configured.name,
        configured.provider,
        configured.scheme,
        configured.secrets[0].value if configured.secrets else "",
    )
    host, port = settings.bind
    return make_sample(
        signer,
        type_,
        f"http://{host}:{port}/hooks/{source}",
        "body" if forged else None,
        time.time(),
    )


def read_progress(database: Database, stories: Sequence[DemoRequest]) -> None:
    """Read the events and deliveries of the accepted requests from the store."""
    for story in stories:
        if (
            story.event is None
            and not story.forged
            and story.answer is not None
            and story.answer.status == 202
        ):
            event = events.get(database, orjson.loads(story.answer.body)["event_id"])
            story.event = replace(event, body=b"", headers={})
    ids = [story.event.id for story in stories if story.event is not None]
    deliveries = events.deliveries_of(database, ids)
    for story in stories:
        if story.event is not None:
            story.deliveries = tuple(deliveries[story.event.id])
