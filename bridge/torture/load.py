"""The senders: they post signed events at a bounded rate, remember what was answered, and send
again what got no answer.
"""

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

from bridge.core.http_messages import Answer, Call, Lost
from bridge.system.http_client import HttpClient
from bridge.torture.lanes import KEYS, SHARES, SIGNATURE, SOURCE, TYPE
from bridge.torture.records import Sent

SENDERS: Final = 6
PATIENCE: Final = 8.0  # seconds that a sender waits for an answer
FORGED: Final = 0.02
AGAIN: Final = 0.04  # of what was acknowledged, as some providers do
GONE: Final = 0.02  # senders that do not wait for the answer
LARGE: Final = 0.02
WAITS: Final = (0.2, 0.5, 1.0, 2.0)  # seconds before the next try


class Load:
    """Senders in threads of their own, from `start` to `finish`. `urls` are the nodes' addresses;
    one that fails is followed by another.
    """

    def __init__(self, urls: Sequence[str], secret: str, seed: int, rate: float) -> None:
        self._urls = urls
        self._secret = secret.encode()
        self._rate = rate
        self._stop = threading.Event()
        self._held_back = threading.Event()
        self._until = float("inf")  # monotonic; only once it is to stop
        self.wanted: deque[str] = deque()  # types of the next events, before chance decides
        self._senders = [
            _Sender(self, number, Random(f"{seed}/{number}")) for number in range(SENDERS)
        ]
        self.name = f"{seed:x}-{int(time.time()):x}"

    def start(self) -> None:
        """Begin to send."""
        for each in self._senders:
            each.thread.start()

    def hold_back(self, full: bool) -> None:
        """While `full`, send nothing new: the bridge has enough to do."""
        (self._held_back.set if full else self._held_back.clear)()

    def want(self, types: Iterable[str]) -> None:
        """Let the next events be of these types."""
        self.wanted.extend(types)

    def finish(self, until: float) -> None:
        """Send nothing new; what has no answer yet is sent again until `until` (monotonic)."""
        self._until = until
        self._stop.set()

    @property
    def is_over(self) -> bool:
        """Whether everything has its answer."""
        return not any(each.thread.is_alive() for each in self._senders)

    @property
    def sent(self) -> list[Sent]:
        """All that was sent, whatever became of it."""
        return [one for each in self._senders for one in list(each.sent)]

    def count(self) -> tuple[int, int, int]:
        """Return how many events were begun, how many acknowledged, and how many answers were
        refusals.
        """
        begun, acknowledged, refused = (
            sum(numbers) for numbers in zip(*(each.counts for each in self._senders), strict=True)
        )
        return begun, acknowledged, refused


class _Sender:
    """One of them, with its own events."""

    def __init__(self, load: Load, number: int, random: Random) -> None:
        self.load = load
        self.number = number
        self.random = random
        self.sent: list[Sent] = []
        self.thread = threading.Thread(target=self._run, name=f"sender {number}", daemon=True)
        self._bodies: dict[str, bytes] = {}  # of what may be sent again
        self._again: list[tuple[float, int, Sent]] = []
        self._order = count()
        self.counts = [0, 0, 0]
        self._sender = HttpClient()
        self._next = 0.0

    def _run(self) -> None:
        load = self.load
        pause = SENDERS / self.load._rate
        self._next = time.monotonic() + self.random.uniform(0, pause)
        while not (load._stop.is_set() and (not self._again or time.monotonic() > load._until)):
            now = time.monotonic()
            if self._again and self._again[0][0] <= now:
                self._post(heapq.heappop(self._again)[2])
            elif not load._stop.is_set() and not load._held_back.is_set() and self._next <= now:
                self._next = max(self._next + pause, now - 1.0)
                self._post(self._new())
            else:
                time.sleep(0.02)
        self._sender.close()

    def _new(self) -> Sent:
        random = self.random
        number = len(self.sent)
        id_ = f"{self.load.name}-{self.number}-{number}"
        pad = "x" * (
            random.randrange(50_000, 150_000)
            if random.random() < LARGE
            else random.randrange(0, 3000)
        )
        body = orjson.dumps({"id": id_, "key": f"k{random.randrange(KEYS)}", "pad": pad})
        [by_chance] = random.choices(list(SHARES), list(SHARES.values()))
        try:
            type_ = self.load.wanted.popleft()
        except IndexError:
            type_ = by_chance
        one = Sent(id_, type_, hashlib.sha256(body).hexdigest(), forged=random.random() < FORGED)
        self.sent.append(one)
        self.counts[0] += 1
        self._bodies[id_] = body
        return one

    def _post(self, one: Sent) -> None:
        """Send it once, and note what came back."""
        body = self._bodies[one.id]
        secret = b"not the secret" if one.forged else self.load._secret
        signature = "sha256=" + hmac.digest(secret, body, hashlib.sha256).hex()
        headers = {"Content-Type": "application/json", SIGNATURE: signature, TYPE: one.type}
        call = Call(
            method="POST",
            url=f"{self.random.choice(self.load._urls)}/hooks/{SOURCE}",
            headers=headers,
            body=body,
        )
        one.tries += 1
        self._note(one, self._sender.send(call, 0.005 if self.random.random() < GONE else PATIENCE))

    def _note(self, one: Sent, answer: Answer | Lost) -> None:
        if isinstance(answer, Lost):
            one.unanswered += 1
            self._later(one)
            return
        one.last_status = answer.status
        if answer.status // 100 == 2:
            self.counts[1] += not one.acknowledged
            one.acknowledged.append(_told(answer.body))
            if self.random.random() < AGAIN:
                self._later(one)
            else:
                del self._bodies[one.id]
            return
        one.refused += 1
        self.counts[2] += 1
        if not one.forged:
            self._later(one)

    def _later(self, one: Sent) -> None:
        wait = WAITS[min(one.tries, len(WAITS)) - 1] * self.random.uniform(0.5, 1.0)
        heapq.heappush(self._again, (time.monotonic() + wait, next(self._order), one))


def _told(body: bytes) -> str:
    """Return the event id of an answer; nothing where it was cut off: a 2xx is an acknowledgement
    all the same.
    """
    try:
        return str(orjson.loads(body)["event_id"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""
