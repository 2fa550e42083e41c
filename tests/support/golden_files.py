"""Compares what a bridge prints with golden files, and writes them again on demand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

REWRITE = "FLOWBRIDGE_REWRITE_GOLDEN"
MAX_DIFF_LINES = 60
WIDTH = 100
MIN_REPEATED_CHARACTERS = 100  # what is shorter is written each time

#: JSON values by name of their file, and by what was asked.
Answers = Mapping[str, Mapping[str, Any]]


def check_golden(folder: Path, answers: Answers) -> None:
    """Fail if answers differ from those in a folder, which has a file for each name.

    With FLOWBRIDGE_REWRITE_GOLDEN=1 the files are written instead.
    """
    texts = write_answers(answers)
    paths = {path.name: path for path in folder.glob("*.json")}
    if os.environ.get(REWRITE):
        folder.mkdir(parents=True, exist_ok=True)
        for name in paths.keys() - texts.keys():
            paths[name].unlink()
        for name, text in texts.items():
            (folder / name).write_text(text)
        return
    stored = {name: path.read_text() for name, path in paths.items()}
    advice = f"If that is right, run this test with {REWRITE}=1, and read the diff."
    _compare(stored, texts, f"golden/{folder.name} differs. {advice}")


def check_same(before: Answers, after: Answers, problem: str) -> None:
    """Fail with a problem and the differences if answers differ from others."""
    _compare(write_answers(before), write_answers(after), problem)


def write_answers(answers: Answers) -> dict[str, str]:
    """Return the texts of golden files. A longer part that repeats one before has its name."""
    first: dict[str, str] = {}
    return {
        f"{name}.json": "\n".join(_write(_shorten(dict(by_label), name, first))) + "\n"
        for name, by_label in answers.items()
    }


def _shorten(value: Any, name: str, first: dict[str, str]) -> Any:
    """Return a JSON value with names for the parts that `first` has, and add the others to it."""
    if not isinstance(value, dict | list):
        return value
    text = json.dumps(value)
    if len(text) >= MIN_REPEATED_CHARACTERS and (same := first.setdefault(text, name)) != name:
        return f"<as {same}>"
    if isinstance(value, dict):
        return {key: _shorten(inner, f"{name} {key}", first) for key, inner in value.items()}
    return [_shorten(inner, f"{name} {index}", first) for index, inner in enumerate(value)]


def _write(value: Any, start: str = "", end: str = "") -> Iterator[str]:
    """Yield the lines of a JSON value: one, if it is short."""
    text = json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list) or len(start + text) < WIDTH:
        yield start + text + end
        return
    indent = " " * (len(start) - len(start.lstrip()) + 1)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    parts = (
        [(f"{indent}{json.dumps(key, ensure_ascii=False)}: ", part) for key, part in value.items()]
        if isinstance(value, dict)
        else [(indent, part) for part in value]
    )
    yield start + opening
    for number, (before, part) in enumerate(parts, 1):
        yield from _write(part, before, "," if number < len(parts) else "")
    yield indent[1:] + closing + end


def _compare(before: Mapping[str, str], after: Mapping[str, str], problem: str) -> None:
    """Fail with the first lines of the differences of files, and the names of all that differ."""
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    lines = [
        line
        for name in names
        for line in unified_diff(
            *(side.get(name, "").splitlines() for side in (before, after)),
            *(name, "now"),
            lineterm="",
        )
    ]
    if lines:
        shown = [*lines[:MAX_DIFF_LINES], f"{len(names)} files differ: {', '.join(names)}"]
        more = [f"... {len(lines) - MAX_DIFF_LINES} lines more"] * (len(lines) > MAX_DIFF_LINES)
        pytest.fail("\n".join([problem, *shown[:-1], *more, shown[-1]]), pytrace=False)
