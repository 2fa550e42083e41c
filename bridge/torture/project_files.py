"""Write the routes.yaml and the flows.py of the crash test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from bridge.torture.scenarios import (
    CALL_TIMEOUT_SECONDS,
    DEBOUNCE_MAX_SECONDS,
    RETRY_MAX_SECONDS,
    RUN_TIMEOUT_SECONDS,
    SCENARIOS,
    SIGNATURE_HEADER,
    SOURCE_NAME,
    TYPE_HEADER,
    Scenario,
)

MAX_RUNS: Final = 64  # of the platform


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSecrets:
    """The temporary secrets of one run."""

    source: str = field(repr=False)
    api_key: str = field(repr=False)
    user_id: str


def render_routes_yaml(
    platform_url: str, secrets: RunSecrets, scenarios: Sequence[Scenario] = SCENARIOS
) -> str:
    """Return the routes.yaml for a platform at `platform_url`, as JSON, which is valid YAML."""
    platforms: dict[str, dict[str, Any]] = {
        "gumloop": {
            "type": "gumloop",
            "base_url": f"{platform_url}/api/v1",
            "api_key": secrets.api_key,
            "user_id": secrets.user_id,
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
        "secret": secrets.source,
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
        "retry": {"attempts": 40, "first": "200ms", "max": f"{RETRY_MAX_SECONDS:g}s"},
    }
    written: dict[str, Any] = {
        "mode": "shadow" if scenario.mode == "shadow" else "live",
        "on_unknown": scenario.on_unknown,
    }
    written |= {"order_by": "body.key"} if scenario.ordered else {}
    written |= {"max_concurrent_runs": scenario.cap} if scenario.cap is not None else {}
    written |= {"on_run_failed": {"retry": scenario.reruns}} if scenario.reruns else {}
    written |= (
        {
            "debounce": {
                "wait": "700ms",
                "max": f"{DEBOUNCE_MAX_SECONDS:g}s",
                "key": "body.key",
            }
        }
        if scenario.merges
        else {}
    )
    return route | written | dict(scenario.extra)


def render_flows_py(record: str) -> str:
    """Return the flows.py. The only effect of each run is a line in the file `record`."""
    return f'''import json
import os
import time

from bridge.flows import flow

RECORD = {record!r}


def _append(**line):
    """Append one line in one write, so that a kill leaves no partial line."""
    file = os.open(RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, json.dumps(dict(line, at=time.time())).encode() + b"\\n")
    finally:
        os.close(file)


@flow(idempotent=True)
def again(route: str, event: str, id: str, key: str):
    """An interrupted run is repeated."""
    _append(route=route, event=event, id=id)
    time.sleep(0.05)
    return {{"id": id}}


@flow
def once(route: str, event: str, id: str, key: str):
    """An interrupted run has failed and is not repeated."""
    _append(route=route, event=event, id=id)
    time.sleep(0.05)
    return {{"id": id}}
'''
