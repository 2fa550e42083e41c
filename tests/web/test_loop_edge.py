"""The budgets of bodies, which the connections of a process share."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bridge.core.timings import TIMINGS
from bridge.web.receiving.body_reader import BodyReader
from bridge.web.server.answer_limits import AnswerLimits
from bridge.web.server.event_loop.loop_edge import LoopEdge


def test_webhooks_and_the_pages_of_each_face_have_budgets_of_their_own() -> None:
    anything: Any = None
    webhooks = BodyReader()
    parts: Any = SimpleNamespace(
        intake=webhooks,
        faces=SimpleNamespace(serves_public=lambda _host, port: port == "80"),
    )
    edge = LoopEdge(
        loop=anything,
        parts=parts,
        app=anything,
        calls=anything,
        timings=TIMINGS,
        answers=AnswerLimits(1.0),
        keep_alive_seconds=1.0,
        threads=anything,
    )
    public, private = ("127.0.0.1", 80), ("127.0.0.1", 81)
    assert edge.find_intake("/hooks/a", public) is webhooks
    assert edge.find_intake("/hooks/a", private) is webhooks
    pages = [edge.find_intake("/forms/a", face) for face in (public, private)]
    assert len({id(budget) for budget in (webhooks, *pages)}) == 3
    assert [edge.find_intake("/console", face) for face in (public, private)] == pages
