"""Iterating over the scalars of a JSON value."""

from __future__ import annotations

from bridge.core.json_values import iterate_scalars
from bridge.core.model import JSON


def test_scalars_come_in_their_order() -> None:
    value: JSON = {"a": ["x", 1, {"b": None}], "c": {}, "d": [], "e": True}
    assert list(iterate_scalars(value)) == ["x", 1, None, True]
    assert list(iterate_scalars("x")) == ["x"]


def test_a_value_may_nest_deeply() -> None:
    value: JSON = "x"
    for _ in range(5000):
        value = [{"a": value}]
    assert list(iterate_scalars(value)) == ["x"]
