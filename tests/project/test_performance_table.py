"""The table that `bench/all.py` prints: what a figure means for its bar and its goal."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest
from folders import ROOT


@pytest.fixture(scope="module")
def targets() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_targets", ROOT / "bench" / "targets.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # dataclasses look there
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "figure", "verdict"),
    [
        ("INGEST", 0.65, "goal reached"),
        ("INGEST", 0.50, "bar held"),
        ("INGEST", 0.49, "bar missed"),
        ("ACKNOWLEDGEMENT", 0.7, "goal reached"),
        ("ACKNOWLEDGEMENT", 1.2, "bar held"),
        ("ACKNOWLEDGEMENT", 1.3, "bar missed"),
        ("MEMORY", 117.0, "bar held"),
        ("READY", 2.0, "goal reached"),
        ("READY", 7.0, "goal missed"),
        ("N8N", 50.0, ""),
    ],
)
def test_a_figure_is_judged_by_its_bar_and_goal(
    targets: ModuleType, name: str, figure: float, verdict: str
) -> None:
    assert getattr(targets, name).judge(figure) == verdict


def test_a_goal_is_never_easier_than_its_bar(targets: ModuleType) -> None:
    for target in vars(targets).values():
        if isinstance(target, targets.Target) and target.bar and target.goal:
            assert target.holds(target.goal, target.bar), target.name


def test_the_table_is_markdown_and_says_why_a_row_is_empty(targets: ModuleType) -> None:
    rows = [
        targets.Row(targets.INGEST, 0.5, "500/s", "1000/s", "2 errors"),
        targets.Row(targets.MEMORY, 90.4, "90 MB"),
        targets.Row(targets.N8N, note="failed:\n a|b" + "x" * 500),
    ]
    lines = targets.write_table(rows).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert len({len(line) for line in lines}) == 1
    assert {len(line) for line in cells} == {len(targets.HEADINGS)}
    assert set("".join(cells[1])) == set("-:")
    assert cells[2][1:] == ["500/s", "1000/s", "0.50", "0.50", "0.65", "bar held; 2 errors"]
    assert cells[3][1:] == ["90 MB", "", "90 MB", "118 MB", "100 MB", "goal reached"]
    assert cells[4][1:6] == [""] * 5
    assert cells[4][6] == ("failed: a/b" + "x" * 500)[: targets.MAX_NOTE_CHARACTERS]
