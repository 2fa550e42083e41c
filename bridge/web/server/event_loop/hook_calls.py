"""Answers the requests under /hooks on the event loop, or in a thread where one has to wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, NoReturn, assert_never

from bridge.core.errors import BadSignature, Refused, StoreError
from bridge.ingest.effects import Effects, PreparedRequest
from bridge.ingest.ports import EventsStored, StoringFailed, StoringResult, StoringWaits
from bridge.store.db.commit_queue import MAX_BATCH_JOBS
from bridge.system.cpu_affinity import switch_often
from bridge.system.logs import get_logger
from bridge.web.receiving.effects import TracedEffects
from bridge.web.receiving.hook_answers import WebhookAnswers
from bridge.web.receiving.hook_messages import HookAnswer
from bridge.web.receiving.hook_receiver import HookRequest, PreparedHook, ReceivedHook
from bridge.web.server.event_loop.commit_gatherer import CommitGatherer, Done


class NeedsThread(Exception):
    """The request has to wait for a network, a disk or a database."""


class WaitlessKeys:
    """Fetches no keys: a request that needs one goes on in a thread."""

    def fetch(self, *_: object, **__: object) -> NoReturn:
        """Raise `NeedsThread`."""
        raise NeedsThread

    def roots(self) -> NoReturn:
        """Raise `NeedsThread`."""
        raise NeedsThread


class WaitlessEffects:
    """The effects of a request, of which those that may wait raise `NeedsThread`.

    See `bridge.ingest.effects.Effects`: nothing lasting has happened by then, so the request can
    be prepared again in a thread, with its own effects.
    """

    keys = WaitlessKeys()

    def __init__(self, effects: Effects) -> None:
        self.note_submission = effects.note_submission
        self.mark_verified = effects.mark_verified
        self.new_id = effects.new_id

    def _wait(self, *_: object) -> NoReturn:
        raise NeedsThread

    confirm = check_submission = store_file = _wait


LARGE_BODY_BYTES: Final = 256 * 1024
MAX_UNPROVEN: Final = 2  # large bodies that are verified at a time
MAX_WAITING: Final = 64  # others that wait for their turn


class Turn:
    """The turn of one body. It ends once: when the body is proven, or when its work is done."""

    def __init__(self, bodies: UnprovenBodies) -> None:
        self._bodies = bodies
        self._has_ended = False

    def end(self) -> None:
        """End the turn, on the loop."""
        if not self._has_ended:
            self._has_ended = True
            self._bodies.begin_next()


class UnprovenBodies:
    """Lets a few large bodies be verified at a time; the others wait, in the order they came."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wait_seconds: float) -> None:
        self._loop = loop
        self._wait_seconds = wait_seconds
        self._active = 0
        self._waiting: dict[Callable[[Turn], None], asyncio.TimerHandle] = {}

    def add(self, begin: Callable[[Turn], None], refuse: Callable[[Refused], None]) -> None:
        """Call `begin` when it is the body's turn, or `refuse` if that takes too long."""
        if self._active < MAX_UNPROVEN:
            self._active += 1
            begin(Turn(self))
        elif len(self._waiting) < MAX_WAITING:
            timer = self._loop.call_later(self._wait_seconds, self._give_up, begin, refuse)
            self._waiting[begin] = timer
        else:
            refuse(_refuse_busy())

    def _give_up(self, begin: Callable[[Turn], None], refuse: Callable[[Refused], None]) -> None:
        del self._waiting[begin]
        refuse(_refuse_busy())

    def begin_next(self) -> None:
        """Begin the turn of the body that has waited longest, in place of one that ended."""
        if not self._waiting:
            self._active -= 1
            return
        begin = next(iter(self._waiting))
        self._waiting.pop(begin).cancel()
        begin(Turn(self))


class TurnEffects:
    """The effects of a request in a thread, which end its turn once it is verified."""

    def __init__(self, effects: Effects, loop: asyncio.AbstractEventLoop, turn: Turn) -> None:
        self._effects = effects
        self._loop = loop
        self._turn = turn

    def __getattr__(self, name: str) -> Any:
        return getattr(self._effects, name)

    def mark_verified(self) -> None:
        """Let the next body have its turn."""
        self._loop.call_soon_threadsafe(self._turn.end)
        self._effects.mark_verified()


def _refuse_busy() -> Refused:
    message = "too many large bodies wait to be verified; send this one again"
    return Refused(503, "busy", message, headers={"Retry-After": "5"})


MAX_LOOP_BODY_BYTES = 32 * 1024  # a larger body is verified and planned in a thread
REQUESTS_PER_TURN = 4  # prepared before the loop serves others: some two milliseconds
MAX_GATHERED = MAX_BATCH_JOBS  # prepared requests that wait for those that arrived with them
log = get_logger()
Answered = Callable[[HookAnswer | None], None]


class HookCalls:
    """Prepares requests on the loop and gathers their events; what waits runs in `executor`.

    The requests that arrive together are read first and then prepared one after another, a few in
    each turn of the loop: a processor does the same work faster when it repeats it, and timers and
    other connections do not wait for all of them. `unproven_seconds`: for which a large body waits
    for its turn.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        gatherer: CommitGatherer,
        executor: Executor,
        unproven_seconds: float,
    ) -> None:
        self._loop = loop
        self._gatherer = gatherer
        self._executor = executor
        self._unproven = UnprovenBodies(loop, unproven_seconds)
        self._arrived: deque[tuple[HookRequest, bytes, Answered]] = deque()
        self._prepared: list[tuple[PreparedRequest, Done]] = []

    def answer(self, request: HookRequest, body: bytes, answered: Answered) -> None:
        """Receive a request, and call `answered` on the loop; with None for an unforeseen error."""
        if not self._fits_loop(request, body):
            self._receive_in_thread(request, body, answered)
            return
        self._arrived.append((request, body, answered))
        if len(self._arrived) == 1:
            self._loop.call_soon(self._prepare_some)

    def _prepare_some(self) -> None:
        """Prepare a few requests, and store the events once no other request waits."""
        for _ in range(min(len(self._arrived), REQUESTS_PER_TURN)):
            request, body, answered = self._arrived.popleft()
            try:
                self._prepare(request, body, answered)
            except Exception as bug:  # it must not stop the others
                log.limited().error("internal_error", exc_info=bug)
                answered(None)
        if self._arrived:
            self._loop.call_soon(self._prepare_some)
        if not self._arrived or len(self._prepared) >= MAX_GATHERED:
            prepared, self._prepared = self._prepared, []
            self._gatherer.store(prepared)

    def _prepare(self, request: HookRequest, body: bytes, answered: Answered) -> None:
        try:
            prepared = request.prepare(body, WaitlessEffects(request.effects))
        except NeedsThread:
            self._receive_in_thread(request, body, answered)
        except Exception as error:
            self._refuse(request, error, answered)
        else:
            if isinstance(prepared, ReceivedHook):
                answered(self._try(prepared.answer))
            else:
                self._prepared.append((prepared.events, partial(self._end, prepared, answered)))

    def _fits_loop(self, request: HookRequest, body: bytes) -> bool:
        """Return whether nothing of the request is known to wait or to take long."""
        return (
            len(body) <= MAX_LOOP_BODY_BYTES
            and isinstance(request.answers, WebhookAnswers)
            and request.source.provider.learn is None
            and not isinstance(request.effects, TracedEffects)
        )

    def _end(self, prepared: PreparedHook, answered: Answered, result: StoringResult) -> None:
        """Answer a request, and wake the workers once all that share its commit are answered.

        A worker that wakes up may take this processor, and the senders would wait for it.
        """
        request = prepared.request
        match result:
            case EventsStored(events):
                answered(self._try(lambda: prepared.complete(events).answer(self._loop.call_soon)))
            case StoringFailed(error):
                self._refuse(request, error, answered)
            case StoringWaits(finish):
                self._run(
                    request, lambda: request.answer(lambda: prepared.complete(finish())), answered
                )
            case _:
                assert_never(result)

    def _refuse(self, request: HookRequest, error: Exception, answered: Answered) -> None:
        """Refuse a request; in a thread where a copy of it may be stored."""
        if isinstance(error, BadSignature):
            self._run(request, lambda: request.refuse(error), answered)
        else:
            answered(self._try(lambda: request.refuse(error)))

    def _receive_in_thread(self, request: HookRequest, body: bytes, answered: Answered) -> None:
        """Receive a request in a thread; a large body waits for its turn."""

        def run(effects: Effects, answered: Answered) -> None:
            self._run(
                request, lambda: request.answer(lambda: request.receive(body, effects)), answered
            )

        def begin(turn: Turn) -> None:
            run(TurnEffects(request.effects, self._loop, turn), partial(_end_turn, turn, answered))

        if len(body) <= LARGE_BODY_BYTES:
            run(request.effects, answered)
        else:
            self._unproven.add(begin, partial(self._refuse, request, answered=answered))

    def _run(
        self, request: HookRequest, work: Callable[[], HookAnswer], answered: Answered
    ) -> None:
        """Do the rest of a request in a thread; refuse it where none can be started."""
        try:
            future = self._loop.run_in_executor(self._executor, self._work, work)
        except RuntimeError as error:
            refusal = StoreError(f"no thread could be started: {error}")
            answered(self._try(lambda: request.refuse(refusal)))
            return
        future.add_done_callback(lambda ended: answered(ended.result()))

    def _work(self, work: Callable[[], HookAnswer]) -> HookAnswer | None:
        """Do work in a thread; the loop need not wait for it."""
        with switch_often():
            return self._try(work)

    def _try(self, work: Callable[[], HookAnswer]) -> HookAnswer | None:
        try:
            return work()
        except Exception as bug:
            log.limited().error("internal_error", exc_info=bug)
            return None


def _end_turn(turn: Turn, answered: Answered, answer: HookAnswer | None) -> None:
    turn.end()
    answered(answer)
