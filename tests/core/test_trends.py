"""The arithmetic of trends: growth, merges, quantiles, bounds."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core import trends
from bridge.core.trends import MAX_SERIES, OTHER, TrendKind

SERIES = st.dictionaries(
    st.tuples(st.text(max_size=5), st.text(max_size=5)),
    st.integers(0, 10**9).map(float),
    max_size=8,
)


@given(st.lists(SERIES, min_size=1, max_size=6))
def test_the_growth_of_counters_adds_up_to_them(steps: list[dict[tuple[str, ...], float]]) -> None:
    totals: list[dict[tuple[str, ...], float]] = [{}]
    for step in steps:
        totals.append(trends.combine(TrendKind.COUNT, [totals[-1], step]))
    grown = [trends.subtract(now, before) for before, now in pairwise(totals)]
    whole = trends.combine(TrendKind.COUNT, grown)
    assert whole == {labels: value for labels, value in totals[-1].items() if value}


def test_counters_that_began_again_count_from_0() -> None:
    assert trends.subtract({("a",): 3.0, ("b",): 9.0}, {("a",): 8.0, ("b",): 4.0}) == {
        ("a",): 3.0,
        ("b",): 5.0,
    }


def test_values_are_combined_by_their_highest() -> None:
    some = [{("a",): 3.0}, {("a",): 1.0, ("b",): 2.0}]
    assert trends.combine(TrendKind.HIGHEST, some) == {("a",): 3.0, ("b",): 2.0}
    assert trends.combine(TrendKind.COUNT, some) == {("a",): 4.0, ("b",): 2.0}


@given(SERIES)
def test_series_are_read_as_they_were_written(series: dict[tuple[str, ...], float]) -> None:
    assert trends.read_series(trends.write_series(series)) == series


def test_too_many_series_are_added_to_one() -> None:
    many = {(f"s{n}", "accepted"): float(n) for n in range(MAX_SERIES + 40)}
    counted = trends.limit_series(TrendKind.COUNT, many)
    assert len(counted) == MAX_SERIES and sum(counted.values()) == sum(many.values())
    assert counted[f"s{MAX_SERIES + 39}", "accepted"] == MAX_SERIES + 39
    assert counted[OTHER, OTHER] == sum(range(41))
    assert trends.limit_series(TrendKind.HIGHEST, many)[OTHER, OTHER] == 40
    few = {("a",): 1.0}
    assert trends.limit_series(TrendKind.COUNT, few) is few


@pytest.mark.parametrize(
    ("share", "found"), [(0.5, 0.01), (0.99, 0.049), (0.25, 0.0075), (1.0, 0.05)]
)
def test_quantiles_are_interpolated(share: float, found: float) -> None:
    durations = {("0.005",): 0.0, ("0.01",): 50.0, ("0.05",): 50.0, ("inf",): 0.0}
    quantile = trends.find_quantile(durations, share)
    assert quantile is not None and math.isclose(quantile, found, abs_tol=0.0003)


def test_quantiles_without_an_upper_end_are_the_lower_one() -> None:
    assert trends.find_quantile({("2.5",): 1.0, ("5",): 0.0, ("inf",): 9.0}, 0.99) == 5.0
    assert (
        trends.find_quantile({}, 0.5) is None and trends.find_quantile({("1",): 0.0}, 0.5) is None
    )


def test_steps_begin_at_their_multiples() -> None:
    assert trends.step_of(120.0) == 120
    assert trends.step_of(119.9) == 60 and trends.step_of(599.9, 600) == 0
