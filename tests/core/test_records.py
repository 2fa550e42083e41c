"""Tests of records: values with keyword fields."""

from __future__ import annotations

import pytest

from bridge.core.records import record


@record
class Point:
    x: int
    y: int = 0


def test_records_of_equal_fields_are_one_value() -> None:
    assert Point(x=1) == Point(x=1, y=0)
    assert len({Point(x=1), Point(x=1), Point(x=2)}) == 2


def test_fields_are_keywords_and_there_are_no_others() -> None:
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]  # what the test is about
    with pytest.raises(AttributeError):
        Point(x=1).z = 2  # type: ignore[attr-defined]  # what the test is about
