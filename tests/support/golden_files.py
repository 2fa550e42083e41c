"""Compares what a bridge prints with golden files, and writes them again on demand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

REWRITE = "FLOWBRIDGE_REWRITE_GOLDEN"
MAX_LINES = 60  # of a report
CONTEXT_LINES = 2
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
    """Fail with the first differences of files; of those that are alike, with one."""
    names = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    if not names:
        return
    places: dict[tuple[str, ...], list[str]] = {}  # by the lines that differ
    shown: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        for place, lines in _list_changes(before.get(name, ""), after.get(name, "")):
            key = tuple(line[0] + line[1:].strip(" ,") for line in lines if line[0] != " ")
            places.setdefault(key, []).append(f"{name} {place}")
            shown.setdefault(key, lines)
    report = [
        line
        for key, (first, *others) in places.items()
        for line in (f"@@ {first}" + f" (and {len(others)} like it)" * bool(others), *shown[key])
    ]
    rest = [f"... {len(report) - MAX_LINES} lines more"] * (len(report) > MAX_LINES)
    files = f"{len(names)} files differ: {', '.join(names)}"
    pytest.fail("\n".join([problem, *report[:MAX_LINES], *rest, files]), pytrace=False)


def _list_changes(before: str, after: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the changes of a file: the answer that has it, and its lines with some around them."""
    old, new = before.splitlines(), after.splitlines()
    for group in SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT_LINES):
        above = reversed(old[: group[0][2]])
        answer = next((line for line in above if line.startswith(' "')), "")
        yield (
            answer.strip().partition('": ')[0].strip('"'),
            [
                mark + line
                for tag, start, end, new_start, new_end in group
                for mark, lines in (
                    [(" ", old[start:end])]
                    if tag == "equal"
                    else [("-", old[start:end]), ("+", new[new_start:new_end])]
                )
                for line in lines
            ],
        )
