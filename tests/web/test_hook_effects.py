"""What acts for a request: a dry run leaves nothing at all, and a trace changes nothing but
itself.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import Client

from bridge.config.loader import load
from bridge.config.settings import load_settings
from bridge.core.http_messages import Request
from bridge.monitoring.counters import COUNTS
from bridge.monitoring.spans import Span
from bridge.monitoring.trace_ids import Trace
from bridge.monitoring.tracing import exporter
from bridge.routing.model import Config
from bridge.store.blobs import BlobStore
from bridge.store.db.database import Database
from bridge.store.inbound import learned_secrets
from bridge.store.tables import schema
from bridge.web.app import Hooks
from bridge.web.app_context import AppContext
from bridge.web.receiving import dry_run
from bridge.web.receiving.dry_run import DryRunEffects
from bridge.web.receiving.effects import HookEffects, ReceiverEffects, TracedEffects, make_effects
from bridge.web.receiving.event_storage import EventStorage
from bridge.web.receiving.process_resources import ProcessResources
from bridge.web.receiving.rate_limiter import RateLimiter

KEY = "k" * 40
SECRET = "It's a Secret to Everybody"
ROUTES = f"""
version: 1
platforms: {{local: {{type: local}}}}
sources:
  github: {{provider: github, secret: "{SECRET}", rate: 1000/min, daily_bytes: 1MiB}}
  narrow: {{provider: github, secret: "{SECRET}", rate: 1/h}}
  asana: {{provider: asana}}
routes:
  - {{name: all, on: github, inputs: {{a: "${{body.a}}"}}, flow: local/echo}}
"""
BODY = b'{"a": "b"}'


@dataclass
class Tracer:
    """Keeps what it is given to export."""

    spans: list[Span] = field(default_factory=list)

    def header(self, _trace: Trace, _span_id: str) -> str:
        return ""

    def export(self, spans: Callable[[], Iterable[Span]]) -> None:
        self.spans += spans()

    def close(self) -> None:
        pass


@dataclass
class Edge:
    """The HTTP edge on a real store; all that it could leave behind can be looked at."""

    config: Config
    hooks: Hooks
    resources: ProcessResources
    tracer: Tracer
    woken: list[int]

    def traces(self) -> dict[str, Any]:
        """What is stored, counted, limited, exported and notified now."""
        database = self.resources.context.database
        with database.read() as connection:
            rows = {
                name: sorted(map(repr, connection.execute(select(table)).all()))
                for name, table in schema.metadata.tables.items()
            }
        blobs = self.resources.context.settings.data / "blobs"
        return {
            "rows": rows,
            "limits": bytes(self.resources.limiter._cells),
            "counts": json.dumps(COUNTS.dump()),
            "spans": len(self.tracer.spans),
            "woken": len(self.woken),
            "files": sorted(map(str, blobs.rglob("*"))),
        }

    def send(
        self, source: str, body: bytes = BODY, *, dry: bool, sign: bool = True, **headers: str
    ) -> Any:
        sent = Request(
            method="POST",
            path=f"/hooks/{source}",
            headers={"content-type": "application/json"},
            body=body,
        )
        known = self.config.sources[source]
        signed = known.scheme.sign(sent, SECRET, time.time()) if sign else sent
        mark = {dry_run.HEADER: dry_run.sign_token(KEY, source)} if dry else {}
        return Client(self.hooks).post(
            f"/hooks/{source}", data=body, headers={**signed.headers, **headers, **mark}
        )


@pytest.fixture
def edge(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    path = tmp_path / "routes.yaml"
    path.write_text(ROUTES)
    config = load(path, {})
    settings = load_settings(
        {"FLOWBRIDGE_SECRET_KEY": KEY, "FLOWBRIDGE_DATA": str(tmp_path / "data")}
    )
    woken: list[int] = []
    context = AppContext(
        settings=settings, config=lambda: config, database=database, wake=lambda: None
    )
    resources = ProcessResources(
        context=context,
        storage=EventStorage(database=database, room=None),
        blobs=BlobStore.of(settings),
        limiter=RateLimiter(),
        wake_workers=lambda: woken.append(1),
        secret_key=KEY,
    )
    hooks = Hooks(
        settings=settings,
        config=lambda: config,
        effects=partial(make_effects, resources),
        dry_run=lambda: DryRunEffects(keys=resources.keys, learning=resources.learning),
    )
    tracer = Tracer()
    monkeypatch.setitem(exporter._begun, os.getpid(), tracer)
    yield Edge(config, hooks, resources, tracer, woken)


def members(protocol: type) -> set[str]:
    """The names of a protocol and of those that it extends."""
    bases = [one for one in protocol.__mro__ if one.__module__.startswith("bridge.")]
    return {name for one in bases for name in vars(one) if not name.startswith("_")}


def test_a_dry_run_inherits_nothing_live() -> None:
    mro = DryRunEffects.__mro__
    assert ReceiverEffects not in mro
    own = {name for name in vars(DryRunEffects) if not name.startswith("_")}
    assert own >= {"new_id", "store", "learn_secret", "record_reject", "log_refusal"}


def test_a_receiver_does_each_effect_but_traces() -> None:
    assert len(members(HookEffects)) >= 16
    missing = members(HookEffects) - set(vars(ReceiverEffects))
    assert missing == {"mark_verified", "export_trace"}


def test_a_traced_request_differs_in_its_times_alone() -> None:
    assert TracedEffects.__bases__ == (ReceiverEffects,)
    own = {name for name in vars(TracedEffects) if not name.startswith("_")} - {"times"}
    assert own == {"mark_verified", "store", "export_trace"}


def test_a_dry_run_leaves_nothing(edge: Edge) -> None:
    learned_secrets.allow_learning(edge.resources.context.database, "asana", time.time() + 600)
    before = edge.traces()
    answers = [
        edge.send("github", dry=True),
        edge.send("github", b"{", dry=True),
        edge.send("github", dry=True, sign=False),
        edge.send("narrow", dry=True),
        edge.send("narrow", dry=True),
        edge.send("asana", b"{}", dry=True, sign=False, **{"X-Hook-Secret": "0" * 32}),
    ]
    assert [one.status_code for one in answers] == [202, 202, 401, 202, 202, 401]
    assert {one.headers[dry_run.HEADER] for one in answers} == {dry_run.DONE}
    assert answers[2].json["arrived"]["size"] == len(BODY)
    assert edge.traces() == before


@pytest.mark.parametrize(
    ("left", "send"),
    [
        ("rows", lambda edge: edge.send("github", dry=False)),
        ("limits", lambda edge: edge.send("github", dry=False)),
        ("counts", lambda edge: edge.send("github", dry=False)),
        ("spans", lambda edge: edge.send("github", dry=False)),
        ("woken", lambda edge: edge.send("github", dry=False)),
        ("rows", lambda edge: edge.send("github", dry=False, sign=False)),
    ],
    ids=["event", "limit", "count", "trace", "wake-up", "reject"],
)
def test_a_live_request_leaves_what_a_dry_one_does_not(
    edge: Edge, left: str, send: Callable[[Edge], Any]
) -> None:
    before = edge.traces()
    assert send(edge).status_code in (202, 401)
    assert edge.traces()[left] != before[left]


def test_a_live_request_teaches_what_a_dry_one_does_not(edge: Edge) -> None:
    database = edge.resources.context.database
    taught = {"X-Hook-Secret": "0" * 32}
    learned_secrets.allow_learning(database, "asana", time.time() + 600)
    assert edge.send("asana", b"{}", dry=True, sign=False, **taught).status_code == 401
    assert learned_secrets.find(database, "asana").sealed is None
    assert edge.send("asana", b"{}", dry=False, sign=False, **taught).status_code == 200
    assert learned_secrets.find(database, "asana").sealed is not None


def test_the_stages_of_a_traced_request_follow_each_other(edge: Edge) -> None:
    assert edge.send("github", dry=False).status_code == 202
    root, *stages = edge.tracer.spans
    assert [one.name for one in stages] == ["verify", "plan", "keep"]
    times = [root.began, *(time for one in stages for time in (one.began, one.ended)), root.ended]
    assert times == sorted(times) and times[1] == times[0] and times[-2] == times[-1]
    verify, plan, keep = stages
    assert verify.ended == plan.began and plan.ended == keep.began
    assert verify.began < verify.ended < keep.ended, "each stage took some time"


def test_a_refused_request_has_no_trace(edge: Edge) -> None:
    assert edge.send("github", dry=False, sign=False).status_code == 401
    assert edge.tracer.spans == []


def test_an_error_of_a_dry_run_does_not_mark_later_answers(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr("bridge.web.receiving.hook_receiver.prepare", broken)
    answers = [edge.send("github", dry=dry) for dry in (True, False)]
    assert [one.status_code for one in answers] == [500, 500]
    assert [one.headers.get(dry_run.HEADER) for one in answers] == [dry_run.DONE, None]
