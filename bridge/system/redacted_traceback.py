"""Tracebacks without the data that errors quote. Pure."""

from __future__ import annotations

import traceback
from typing import Final

#: Errors whose text quotes code, not data.
CODE_ERRORS: Final = (
    AttributeError,
    ImportError,
    MemoryError,
    NameError,
    NotImplementedError,
    RecursionError,
)


def format_traceback(error: BaseException) -> str:
    """Return the traceback of an error, its causes and its group, without their texts.

    A text may quote data; only errors about code keep theirs.
    """
    return "".join(_traceback_lines(error, set()))


def _traceback_lines(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = (
        [*_traceback_lines(before, seen), "\nwhich led to:\n\n"]
        if before is not None and id(before) not in seen
        else []
    )
    lines += ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
    lines.append(
        f"{type(error).__name__}: {error}\n"
        if isinstance(error, CODE_ERRORS)
        else f"{type(error).__name__}\n"
    )
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        lines += _traceback_lines(member, seen) if id(member) not in seen else []
    return lines
