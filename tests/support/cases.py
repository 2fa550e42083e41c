"""Checks many small cases in one test, where a store for each would take most of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def check_each(
    cases: Iterable[T], check: Callable[[T], None], name: Callable[[T], str] = str
) -> None:
    """Check all cases, and then raise the failures, each with the name of its case."""
    failures = []
    for case in cases:
        try:
            check(case)
        except AssertionError as failure:
            failure.add_note(f"the case: {name(case)}")
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} cases failed", failures)
