"""The guard against quadratic work tells it from linear work."""

from __future__ import annotations

from collections.abc import Callable

import growth
import pytest
from growth import Work, check_growth


def linear(size: int) -> Work:
    return lambda: sum(range(size))


def quadratic(size: int) -> Work:
    return lambda: [sum(range(size)) for _ in range(size)]


def constant(_size: int) -> Work:
    return lambda: sum(range(1000))


@pytest.mark.parametrize(("prepare", "size"), [(linear, 20_000), (constant, 1)])
def test_linear_work_passes(prepare: Callable[[int], Work], size: int) -> None:
    check_growth(prepare, size)


def test_quadratic_work_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "ROUNDS", (3,))
    with pytest.raises(AssertionError, match="4 times the size took"):
        check_growth(quadratic, 100)
