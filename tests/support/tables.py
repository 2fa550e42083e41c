"""Tests of each case of a table, as one test."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
MAX_TRACEBACKS = 10


def check_each(
    cases: Iterable[T], check: Callable[[T], object], name: Callable[[T], str] = str
) -> None:
    """Check all cases, and fail with a list of those that fail."""
    failures: dict[str, str] = {}
    count = 0
    for case in cases:
        count += 1
        try:
            check(case)
        except (Exception, pytest.fail.Exception) as error:
            report = pytest.ExceptionInfo.from_exception(error).getrepr(style="short")
            failures[name(case)] = str(report)
    if failures:
        shown = [f"-- {name}\n{report}" for name, report in failures.items()]
        summary = f"{len(failures)} of {count} cases fail: {', '.join(failures)}"
        pytest.fail("\n".join([summary, *shown[:MAX_TRACEBACKS]]), pytrace=False)


def for_each(
    names: str, cases: Iterable[Any], ids: Callable[[Any], str] = str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for each case of a table; it fails with a list of all cases that fail.

    `names` are those of `pytest.mark.parametrize`, with commas between them. A table of many quick
    cases takes a fraction of the time so: pytest collects one test in each process. The cases share
    the fixtures of the test.
    """
    arguments = [name.strip() for name in names.split(",")]
    table = [case if len(arguments) > 1 else (case,) for case in cases]
    assert table, "there are no cases"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(*own: Any, **fixtures: Any) -> None:
            check_each(
                table,
                lambda values: test(*own, **fixtures, **dict(zip(arguments, values, strict=True))),
                lambda values: "-".join(map(ids, values)),
            )

        signature = inspect.signature(test)
        rest = [value for name, value in signature.parameters.items() if name not in arguments]
        run.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        return run

    return decorate
