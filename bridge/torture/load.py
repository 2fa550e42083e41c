"""The senders: they post signed events at a bounded rate, record the answers, and retry."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count
from random import Random
from typing import Final

import orjson

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.system.boot_clock import Deadline
from bridge.system.http_client import HttpClient
from bridge.torture.records import SentEvent
from bridge.torture.scenarios import (
    EVENT_TYPE_SHARES,
    KEY_COUNT,
    SIGNATURE_HEADER,
    SOURCE_NAME,
    TYPE_HEADER,
)

SENDER_COUNT: Final = 6
ANSWER_TIMEOUT_SECONDS: Final = 8.0
FORGED_SHARE: Final = 0.02
RESENT_SHARE: Final = 0.04  # of acknowledged events, as some providers resend
HANG_UP_SHARE: Final = 0.02  # of requests whose sender does not wait for the answer
LARGE_SHARE: Final = 0.02
RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0)  # after the first, second, … try


class LoadGenerator:
    """Sends events from several threads, from `start` to `finish`.

    Each request goes to a random node of `urls`, so a retry may reach another node.
    """

    def __init__(self, urls: Sequence[str], secret: str, seed: int, rate: float) -> None:
        self._urls = urls
        self._secret = secret.encode()
        self._rate = rate
        self._stop = threading.Event()
        self._paused = threading.Event()
        self._deadline = float("inf")  # monotonic; set by `finish`
        self.queued_types: deque[str] = deque()  # types of the next events
        self._senders = [
            _Sender(self, number, Random(f"{seed}/{number}")) for number in range(SENDER_COUNT)
        ]
        self.name = f"{seed:x}-{int(time.time()):x}"

    def start(self) -> None:
        """Start the threads."""
        for sender in self._senders:
            sender.thread.start()

    def set_paused(self, paused: bool) -> None:
        """Pause or resume new events; retries and queued types go on."""
        (self._paused.set if paused else self._paused.clear)()

    def queue_types(self, types: Iterable[str]) -> None:
        """Send events of these types next."""
        self.queued_types.extend(types)

    def finish(self, until: float) -> None:
        """Send no new events; retry unanswered ones until `until` (monotonic)."""
        self._deadline = until
        self._stop.set()

    @property
    def _takes_new_events(self) -> bool:
        """Whether the senders make new events: also while paused, if a fault needs some."""
        return not self._stop.is_set() and (bool(self.queued_types) or not self._paused.is_set())

    @property
    def is_finished(self) -> bool:
        """Whether all senders have ended."""
        return not any(sender.thread.is_alive() for sender in self._senders)

    @property
    def sent(self) -> list[SentEvent]:
        """All sent events."""
        return [event for sender in self._senders for event in list(sender.sent)]

    def count(self) -> tuple[int, int, int]:
        """Return the numbers of sent events, of acknowledged events, and of refusals."""
        begun, acknowledged, refused = (
            sum(numbers)
            for numbers in zip(*(sender.counts for sender in self._senders), strict=True)
        )
        return begun, acknowledged, refused


class _Sender:
    """One sender with its own events."""

    def __init__(self, load: LoadGenerator, number: int, random: Random) -> None:
        self.load = load
        self.number = number
        self.random = random
        self.sent: list[SentEvent] = []
        self.thread = threading.Thread(target=self._run, name=f"sender {number}", daemon=True)
        self._bodies: dict[str, bytes] = {}  # of events that may be sent again
        self._retries: list[tuple[float, int, SentEvent]] = []
        self._order = count()
        self.counts = [0, 0, 0]
        self._http = HttpClient()
        self._next_at = 0.0

    def _run(self) -> None:
        load = self.load
        pause = SENDER_COUNT / self.load._rate
        self._next_at = time.monotonic() + self.random.uniform(0, pause)
        while not (
            load._stop.is_set() and (not self._retries or time.monotonic() > load._deadline)
        ):
            now = time.monotonic()
            if self._retries and self._retries[0][0] <= now:
                self._post(heapq.heappop(self._retries)[2])
            elif load._takes_new_events and self._next_at <= now:
                self._next_at = max(self._next_at + pause, now - 1.0)
                self._post(self._make_event())
            else:
                time.sleep(0.02)
        self._http.close()

    def _make_event(self) -> SentEvent:
        random = self.random
        number = len(self.sent)
        id_ = f"{self.load.name}-{self.number}-{number}"
        pad = "x" * (
            random.randrange(50_000, 150_000)
            if random.random() < LARGE_SHARE
            else random.randrange(0, 3000)
        )
        body = orjson.dumps({"id": id_, "key": f"k{random.randrange(KEY_COUNT)}", "pad": pad})
        [by_chance] = random.choices(list(EVENT_TYPE_SHARES), list(EVENT_TYPE_SHARES.values()))
        try:
            type_ = self.load.queued_types.popleft()
        except IndexError:
            type_ = by_chance
        event = SentEvent(
            id_, type_, hashlib.sha256(body).hexdigest(), forged=random.random() < FORGED_SHARE
        )
        self.sent.append(event)
        self.counts[0] += 1
        self._bodies[id_] = body
        return event

    def _post(self, event: SentEvent) -> None:
        """Send an event once, and record the answer."""
        body = self._bodies[event.id]
        secret = b"not the secret" if event.forged else self.load._secret
        signature = "sha256=" + hmac.digest(secret, body, hashlib.sha256).hex()
        headers = {
            "Content-Type": "application/json",
            SIGNATURE_HEADER: signature,
            TYPE_HEADER: event.type,
        }
        call = Call(
            method="POST",
            url=f"{self.random.choice(self.load._urls)}/hooks/{SOURCE_NAME}",
            headers=headers,
            body=body,
        )
        event.tries += 1
        self._record_answer(
            event,
            self._http.send(
                call,
                Deadline.after(
                    0.005 if self.random.random() < HANG_UP_SHARE else ANSWER_TIMEOUT_SECONDS
                ),
            ),
        )

    def _record_answer(self, event: SentEvent, answer: Answer | NoAnswer) -> None:
        if isinstance(answer, NoAnswer):
            event.unanswered += 1
            self._schedule_retry(event)
            return
        event.last_status = answer.status
        if answer.status // 100 == 2:
            self.counts[1] += not event.acknowledged
            event.acknowledged.append(_parse_event_id(answer.body))
            if self.random.random() < RESENT_SHARE:
                self._schedule_retry(event)
            else:
                del self._bodies[event.id]
            return
        event.refused += 1
        self.counts[2] += 1
        if not event.forged:
            self._schedule_retry(event)

    def _schedule_retry(self, event: SentEvent) -> None:
        wait = RETRY_SECONDS[min(event.tries, len(RETRY_SECONDS)) - 1] * self.random.uniform(
            0.5, 1.0
        )
        heapq.heappush(self._retries, (time.monotonic() + wait, next(self._order), event))


def _parse_event_id(body: bytes) -> str:
    """Return the event id in the body of a 2xx, or "" if the body was cut off."""
    try:
        return str(orjson.loads(body)["event_id"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
