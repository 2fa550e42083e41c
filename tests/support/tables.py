"""A test of each case of a table, as one test."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

MAX_TRACEBACKS = 10


def for_each(
    names: str, cases: Iterable[Any], ids: Callable[[Any], str] = str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test for each case of a table; it fails with a list of all cases that fail.

    `names` are those of `pytest.mark.parametrize`, with commas between them. A table of many quick
    cases takes a fraction of the time so: pytest collects one test in each process. The cases share
    the fixtures of the test.
    """
    arguments = [name.strip() for name in names.split(",")]
    table = list(cases)
    assert table, "there are no cases"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(*own: Any, **fixtures: Any) -> None:
            failures: dict[str, str] = {}
            for case in table:
                values = case if len(arguments) > 1 else (case,)
                try:
                    test(*own, **fixtures, **dict(zip(arguments, values, strict=True)))
                except (Exception, pytest.fail.Exception) as error:
                    name = ids(case) if len(arguments) == 1 else "-".join(map(ids, values))
                    report = pytest.ExceptionInfo.from_exception(error).getrepr(style="short")
                    failures[name] = str(report)
            if failures:
                shown = [f"-- {name}\n{report}" for name, report in failures.items()]
                summary = f"{len(failures)} of {len(table)} cases fail: {', '.join(failures)}"
                pytest.fail("\n".join([summary, *shown[:MAX_TRACEBACKS]]), pytrace=False)

        signature = inspect.signature(test)
        rest = [value for name, value in signature.parameters.items() if name not in arguments]
        run.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]
        return run

    return decorate
