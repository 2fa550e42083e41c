"""What a run of a local flow gets: its limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from records import make_local_run
from worker_bench import configured

from bridge.config.settings import load_settings
from bridge.core.local_runs import LocalFlow
from bridge.routing.model import Flow, Platform
from bridge.store.db.database import Database
from bridge.worker.local.runs import (
    DEFAULT_MEMORY_BYTES,
    DEFAULT_TIME_LIMIT_SECONDS,
    RunSpecs,
)

LOCAL = Platform(name="here", type="local")
OTHER = Platform(name="other", type="http")
DEFAULTS = (DEFAULT_TIME_LIMIT_SECONDS, DEFAULT_MEMORY_BYTES)


@pytest.mark.parametrize(
    ("flow", "configured_flow", "limits"),
    [
        ({}, None, DEFAULTS),
        ({"time_limit": 5.0, "memory": 2**27}, None, (5.0, 2**27)),
        ({"time_limit": 5.0}, {"time_limit": 7.0, "memory": 2**28}, (7.0, 2**28)),
        ({"time_limit": 5.0}, {"memory": 2**28}, (5.0, 2**28)),
        ({}, {"time_limit": 7.0, "saved_item_id": "another"}, DEFAULTS),
        ({}, {"time_limit": 7.0, "platform": "other"}, DEFAULTS),
    ],
    ids=["none", "of the flow", "of both", "one of each", "of another flow", "elsewhere"],
)
def test_a_run_has_the_limits_of_the_configuration_or_of_its_flow(
    flow: dict[str, Any],
    configured_flow: dict[str, Any] | None,
    limits: tuple[float, int],
    sqlite: Database,
    tmp_path: Path,
) -> None:
    flows = {}
    if configured_flow is not None:
        defaults = {"name": "named", "platform": "here", "saved_item_id": "echo"}
        flows["named"] = Flow(**{**defaults, **configured_flow})
    config = replace(configured(LOCAL, OTHER), flows=flows)
    settings = load_settings({"FLOWBRIDGE_SECRET_KEY": "k" * 32, "FLOWBRIDGE_DATA": str(tmp_path)})
    leases: Any = None
    specs = RunSpecs(settings, lambda: config, leases, lambda _key: {})
    with sqlite.read() as connection:
        spec = specs.make(connection, make_local_run(), LocalFlow(id="echo", workbook="w", **flow))
    assert (spec.time_limit, spec.memory) == limits
