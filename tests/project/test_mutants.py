"""Each mutant that was made by hand fits the code. One whose text is gone would test nothing."""

from __future__ import annotations

import runpy

from folders import ROOT

KNOWN = ROOT / "tests" / "mutation" / "known.py"


def test_each_mutant_changes_one_place_and_has_tests() -> None:
    known = runpy.run_path(str(KNOWN))["KNOWN"]
    wrong = [
        one["name"]
        for one in known
        if (ROOT / one["file"]).read_text().count(one["old"]) != 1
        or not all((ROOT / test).exists() for test in one["tests"])
    ]
    assert known and not wrong
