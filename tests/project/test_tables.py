"""A test of each case of a table is one test, and names every case that fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import for_each


def test_it_lists_all_cases_that_fail_with_their_reasons() -> None:
    @for_each("number", [1, 2, 3, 4], ids=lambda number: f"case-{number}")
    def check(number: int) -> None:
        if number == 3:
            with pytest.raises(ValueError):
                int("3")
        assert number != 2, "two is wrong"

    with pytest.raises(pytest.fail.Exception) as failure:
        check()
    said = str(failure.value)
    assert said.startswith("2 of 4 cases fail: case-2, case-3\n")
    assert "two is wrong" in said and "DID NOT RAISE" in said
    assert f"{Path(__file__).name}:" in said


@for_each("left, right", [(1, 1), (2, 2)])
@pytest.mark.parametrize("offset", [0, 1])
def test_other_parameters_and_fixtures_stay(
    left: int, tmp_path: Path, right: int, offset: int
) -> None:
    assert left + offset == right + offset and tmp_path.is_dir()


class TestMethods:
    @for_each("number", [1])
    def test_a_method_is_run_too(self, number: int) -> None:
        assert isinstance(self, TestMethods) and number == 1
