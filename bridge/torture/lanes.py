"""What the torture's bridge is configured with: its routes, which events take which of them, and
what may happen on each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

SOURCE: Final = "torture"
SIGNATURE: Final = "X-Torture-Signature"
TYPE: Final = "X-Torture-Type"
CALL_TIMEOUT: Final = 2.0  # seconds that the bridge waits for the platform
RUN_TIMEOUT: Final = 6.0  # seconds until it gives up a run that does not end
KEYS: Final = 8  # different values of the payload's `key`
SLOTS: Final = 64


@dataclass(frozen=True, slots=True)
class Lane:
    """One route and what is promised of it.

    `on_unknown`: `retry` declares that a start may be repeated; with any other policy it never may.
    `once`: it is not executed twice even so, since the platform sees to that. `mode`: `live` is
    started, `shadow` never, `parked` never since its schema refuses every payload.
    `ordered`: one after the other for each `key` of the payload. `cap`: so many runs at once.
    `reruns`: so many more where runs fail.
    `merges`: of events of one key that follow each other shortly only the last is started.
    `exclusive`: nobody else starts its flow.
    `note`: what is special, for people.
    """

    route: str
    platform: str  # gumloop, http or local: the name is the type
    flow: str
    types: tuple[str, ...]
    on_unknown: str
    mode: str = "live"
    once: bool = False
    ordered: bool = False
    cap: int | None = None
    reruns: int = 0
    merges: bool = False
    exclusive: bool = False
    note: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)  # further keys of the route

    @property
    def repeats(self) -> bool:
        """Whether a second execution is declared, where the first was in doubt."""
        return self.on_unknown == "retry" and not self.once


FLAKY: Final = "flaky"  # the flow of which many runs fail
REFUSES: Final = {"type": "object", "required": ["never"]}
SELDOM: Final = 6  # flows that run so seldom that the platform's list of ten runs covers a minute
LANES: Final[tuple[Lane, ...]] = (
    Lane("held", "gumloop", "hold", ("held", "both"), "hold", note="no start is ever repeated"),
    Lane(
        "found",
        "gumloop",
        "found",
        ("found",),
        "reconcile",
        note=(
            "the default; the flow runs so often that a run may have left the platform's list"
            " before it is looked for"
        ),
    ),
    *(
        Lane(
            f"seldom{number}",
            "gumloop",
            f"seldom{number}",
            ("seldom",),
            "reconcile",
            note=(
                "the default; the flows run seldom: a start that has left no run is seen, and made"
                " again"
            ),
        )
        for number in range(SELDOM)
    ),
    *(
        Lane(
            f"sole{number}",
            "gumloop",
            f"sole{number}",
            ("seldom",),
            "reconcile",
            exclusive=True,
            note="the same, of flows that are `exclusive`: a run is adopted without an echo",
        )
        for number in range(SELDOM // 2)
    ),
    Lane(
        "repeated",
        "gumloop",
        "repeat",
        ("repeated",),
        "retry",
        note="a start whose outcome is unknown is made again",
    ),
    Lane(
        "ordered",
        "gumloop",
        "line",
        ("ordered",),
        "retry",
        ordered=True,
        note=f"`order_by`: one at a time for each of {KEYS} keys, in the order of their events",
    ),
    Lane("capped", "gumloop", "few", ("capped",), "retry", cap=2, note="`max_concurrent_runs: 2`"),
    Lane(
        "rerun",
        "gumloop",
        FLAKY,
        ("rerun",),
        "hold",
        reruns=2,
        note="`on_run_failed: retry: 2`, for a flow of which many runs fail",
    ),
    Lane(
        "merged",
        "http",
        "post",
        ("merged",),
        "retry",
        merges=True,
        note="`debounce`: of events that follow each other shortly the last goes",
    ),
    Lane(
        "posted",
        "http",
        "post",
        ("posted", "both"),
        "retry",
        note="gets an `Idempotency-Key`, and does not use it: every call that it takes is a start",
    ),
    Lane(
        "again",
        "local",
        "again",
        ("again",),
        "retry",
        note="idempotent: a run that is cut off is run again",
    ),
    Lane(
        "once",
        "local",
        "once",
        ("once",),
        "retry",
        once=True,
        note="not idempotent: a run is never executed twice",
    ),
    Lane(
        "parked",
        "http",
        "post",
        ("parked",),
        "hold",
        "parked",
        note="its schema refuses every payload: dead with the reason, never started",
        more={"payload_schema": REFUSES},
    ),
    Lane(
        "shadowed",
        "gumloop",
        "hold",
        ("both",),
        "hold",
        "shadow",
        note="`mode: shadow`: never started",
    ),
)
#: type of event -> its share of the load; `seldom` takes many routes at once; `nowhere` matches no
#: route, and is kept all the same
SHARES: Final = {
    "held": 12,
    "found": 10,
    "seldom": 0.3,
    "posted": 15.7,
    "both": 10,
    "repeated": 8,
    "ordered": 10,
    "capped": 4,
    "rerun": 4,
    "merged": 6,
    "again": 6,
    "once": 6,
    "parked": 3,
    "nowhere": 5,
}
PLATFORMS: Final = {
    "gumloop": "a platform without an idempotency key",
    "http": "an `http` platform",
    "local": "a local flow",
}


def routes_of(type_: str) -> list[str]:
    """Return the routes that an event of this type has to have a delivery of."""
    return [lane.route for lane in LANES if type_ in lane.types]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The throw-away secrets of one torture."""

    source: str = field(repr=False)
    api_key: str = field(repr=False)
    user_id: str


def document(platform_url: str, keys: Keys, lanes: Sequence[Lane] = LANES) -> str:
    """Return the routes.yaml, written as JSON (which is YAML), for a platform at `platform_url`."""
    platforms: dict[str, dict[str, Any]] = {
        "gumloop": {
            "type": "gumloop",
            "base_url": f"{platform_url}/api/v1",
            "api_key": keys.api_key,
            "user_id": keys.user_id,
            "max_concurrent_runs": SLOTS,
        },
        "http": {"type": "http", "url": f"{platform_url}/post", "max_concurrent_runs": SLOTS // 2},
        "local": {"type": "local", "flows": "flows.py", "max_concurrent_runs": SLOTS // 4},
    }
    for each in platforms.values():
        each["timeout"] = f"{CALL_TIMEOUT:g}s"
    source = {
        "provider": "hmac",
        "secret": keys.source,
        "verify": {"header": SIGNATURE, "prefix": "sha256="},
        "event_type": f"header:{TYPE}",
        "event_id": "body:id",
    }
    flows = {
        lane.flow: {"platform": lane.platform, "saved_item_id": lane.flow, "exclusive": True}
        for lane in lanes
        if lane.exclusive
    }
    written = {
        "version": 1,
        "platforms": platforms,
        "sources": {SOURCE: source},
        "flows": flows,
        "routes": [_route(lane) for lane in lanes],
    }
    return orjson.dumps(written, option=orjson.OPT_INDENT_2).decode()


def _route(lane: Lane) -> dict[str, Any]:
    inputs = {"route": lane.route, "event": "${event.id}", "id": "${body.id}", "key": "${body.key}"}
    route = {
        "name": lane.route,
        "on": f"{SOURCE} {', '.join(lane.types)}",
        "inputs": inputs,
        "flow": f"{lane.platform}/{lane.flow}",
        "run_timeout": f"{RUN_TIMEOUT:g}s",
        "retry": {"attempts": 40, "first": "200ms", "max": "2s"},
    }
    written: dict[str, Any] = {
        "mode": "shadow" if lane.mode == "shadow" else "live",
        "on_unknown": lane.on_unknown,
    }
    written |= {"order_by": "body.key"} if lane.ordered else {}
    written |= {"max_concurrent_runs": lane.cap} if lane.cap is not None else {}
    written |= {"on_run_failed": {"retry": lane.reruns}} if lane.reruns else {}
    written |= (
        {"debounce": {"wait": "700ms", "max": "3s", "key": "body.key"}} if lane.merges else {}
    )
    return route | written | dict(lane.more)


def flows_py(record: str) -> str:
    """Return the flows.py: each run writes a line to the file `record` as its one effect."""
    return f'''import json
import os
import time

from bridge.flows import flow

RECORD = {record!r}


def _note(**line):
    """One line by one write: whole, however the process ends."""
    file = os.open(RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, json.dumps(dict(line, at=time.time())).encode() + b"\\n")
    finally:
        os.close(file)


@flow(idempotent=True)
def again(route: str, event: str, id: str, key: str):
    """A run that is cut off is run again."""
    _note(route=route, event=event, id=id)
    time.sleep(0.05)
    return {{"id": id}}


@flow
def once(route: str, event: str, id: str, key: str):
    """A run that is cut off has failed, and is not run again."""
    _note(route=route, event=event, id=id)
    time.sleep(0.05)
    return {{"id": id}}
'''
