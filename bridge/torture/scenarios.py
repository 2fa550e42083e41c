"""What the torture's bridge is configured with: its routes, which events take which of them, and
what may happen on each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

SOURCE_NAME: Final = "torture"
SIGNATURE_HEADER: Final = "X-Torture-Signature"
TYPE_HEADER: Final = "X-Torture-Type"
CALL_TIMEOUT_SECONDS: Final = 2.0  # seconds that the bridge waits for the platform
RUN_TIMEOUT_SECONDS: Final = 6.0  # seconds until it gives up a run that does not end
KEY_COUNT: Final = 8  # different values of the payload's `key`
MAX_RUNS: Final = 64


@dataclass(frozen=True, slots=True)
class Scenario:
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
    extra: Mapping[str, Any] = field(default_factory=dict)  # further keys of the route

    @property
    def may_repeat(self) -> bool:
        """Whether a second execution is declared, where the first was in doubt."""
        return self.on_unknown == "retry" and not self.once


FLAKY_FLOW: Final = "flaky"  # the flow of which many runs fail
REFUSING_SCHEMA: Final = {"type": "object", "required": ["never"]}
SELDOM_FLOW_COUNT: Final = (
    6  # flows that run so seldom that the platform's list of ten runs covers a minute
)
SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario("held", "gumloop", "hold", ("held", "both"), "hold", note="no start is ever repeated"),
    Scenario(
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
        Scenario(
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
        for number in range(SELDOM_FLOW_COUNT)
    ),
    *(
        Scenario(
            f"sole{number}",
            "gumloop",
            f"sole{number}",
            ("seldom",),
            "reconcile",
            exclusive=True,
            note="the same, of flows that are `exclusive`: a run is adopted without an echo",
        )
        for number in range(SELDOM_FLOW_COUNT // 2)
    ),
    Scenario(
        "repeated",
        "gumloop",
        "repeat",
        ("repeated",),
        "retry",
        note="a start whose outcome is unknown is made again",
    ),
    Scenario(
        "ordered",
        "gumloop",
        "line",
        ("ordered",),
        "retry",
        ordered=True,
        note=f"`order_by`: one at a time for each of {KEY_COUNT} keys, in the order of their events",
    ),
    Scenario(
        "capped", "gumloop", "few", ("capped",), "retry", cap=2, note="`max_concurrent_runs: 2`"
    ),
    Scenario(
        "rerun",
        "gumloop",
        FLAKY_FLOW,
        ("rerun",),
        "hold",
        reruns=2,
        note="`on_run_failed: retry: 2`, for a flow of which many runs fail",
    ),
    Scenario(
        "merged",
        "http",
        "post",
        ("merged",),
        "retry",
        merges=True,
        note="`debounce`: of events that follow each other shortly the last goes",
    ),
    Scenario(
        "posted",
        "http",
        "post",
        ("posted", "both"),
        "retry",
        note="gets an `Idempotency-Key`, and does not use it: every call that it takes is a start",
    ),
    Scenario(
        "again",
        "local",
        "again",
        ("again",),
        "retry",
        note="idempotent: a run that is cut off is run again",
    ),
    Scenario(
        "once",
        "local",
        "once",
        ("once",),
        "retry",
        once=True,
        note="not idempotent: a run is never executed twice",
    ),
    Scenario(
        "parked",
        "http",
        "post",
        ("parked",),
        "hold",
        "parked",
        note="its schema refuses every payload: dead with the reason, never started",
        extra={"payload_schema": REFUSING_SCHEMA},
    ),
    Scenario(
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
EVENT_TYPE_SHARES: Final = {
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
PLATFORM_DESCRIPTIONS: Final = {
    "gumloop": "a platform without an idempotency key",
    "http": "an `http` platform",
    "local": "a local flow",
}


def routes_of(type_: str) -> list[str]:
    """Return the routes that an event of this type has to have a delivery of."""
    return [scenario.route for scenario in SCENARIOS if type_ in scenario.types]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSecrets:
    """The throw-away secrets of one torture."""

    source: str = field(repr=False)
    api_key: str = field(repr=False)
    user_id: str


def render_routes_yaml(
    platform_url: str, keys: RunSecrets, scenarios: Sequence[Scenario] = SCENARIOS
) -> str:
    """Return the routes.yaml, written as JSON (which is YAML), for a platform at `platform_url`."""
    platforms: dict[str, dict[str, Any]] = {
        "gumloop": {
            "type": "gumloop",
            "base_url": f"{platform_url}/api/v1",
            "api_key": keys.api_key,
            "user_id": keys.user_id,
            "max_concurrent_runs": MAX_RUNS,
        },
        "http": {
            "type": "http",
            "url": f"{platform_url}/post",
            "max_concurrent_runs": MAX_RUNS // 2,
        },
        "local": {"type": "local", "flows": "flows.py", "max_concurrent_runs": MAX_RUNS // 4},
    }
    for each in platforms.values():
        each["timeout"] = f"{CALL_TIMEOUT_SECONDS:g}s"
    source = {
        "provider": "hmac",
        "secret": keys.source,
        "verify": {"header": SIGNATURE_HEADER, "prefix": "sha256="},
        "event_type": f"header:{TYPE_HEADER}",
        "event_id": "body:id",
    }
    flows = {
        scenario.flow: {
            "platform": scenario.platform,
            "saved_item_id": scenario.flow,
            "exclusive": True,
        }
        for scenario in scenarios
        if scenario.exclusive
    }
    written = {
        "version": 1,
        "platforms": platforms,
        "sources": {SOURCE_NAME: source},
        "flows": flows,
        "routes": [_render_route(scenario) for scenario in scenarios],
    }
    return orjson.dumps(written, option=orjson.OPT_INDENT_2).decode()


def _render_route(scenario: Scenario) -> dict[str, Any]:
    inputs = {
        "route": scenario.route,
        "event": "${event.id}",
        "id": "${body.id}",
        "key": "${body.key}",
    }
    route = {
        "name": scenario.route,
        "on": f"{SOURCE_NAME} {', '.join(scenario.types)}",
        "inputs": inputs,
        "flow": f"{scenario.platform}/{scenario.flow}",
        "run_timeout": f"{RUN_TIMEOUT_SECONDS:g}s",
        "retry": {"attempts": 40, "first": "200ms", "max": "2s"},
    }
    written: dict[str, Any] = {
        "mode": "shadow" if scenario.mode == "shadow" else "live",
        "on_unknown": scenario.on_unknown,
    }
    written |= {"order_by": "body.key"} if scenario.ordered else {}
    written |= {"max_concurrent_runs": scenario.cap} if scenario.cap is not None else {}
    written |= {"on_run_failed": {"retry": scenario.reruns}} if scenario.reruns else {}
    written |= (
        {"debounce": {"wait": "700ms", "max": "3s", "key": "body.key"}} if scenario.merges else {}
    )
    return route | written | dict(scenario.extra)


def render_flows_py(record: str) -> str:
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
