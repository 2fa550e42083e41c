"""The senders of the crash test."""

from __future__ import annotations

from servers import Misbehaving, respond
from serving import until

from bridge.torture.load import SENDER_COUNT, LoadGenerator
from bridge.torture.scenarios import SOURCE_NAME, TYPE_HEADER


def test_events_that_a_fault_needs_are_sent_while_new_events_are_paused() -> None:
    with Misbehaving() as server:
        server.script(f"/hooks/{SOURCE_NAME}", respond(200))
        load = LoadGenerator([server.url], "secret", 1, rate=1000.0)
        load.set_paused(True)
        load.start()
        load.queue_types(["seldom", "seldom"])
        try:
            until(lambda: len(server.received) >= 2, what="both are sent")
        finally:
            load.finish(0.0)
            until(lambda: load.is_finished, what="the senders end")
        types = [request.headers[TYPE_HEADER.lower()] for request in server.received]
        assert types.count("seldom") == 2 and len(types) <= 2 + SENDER_COUNT
