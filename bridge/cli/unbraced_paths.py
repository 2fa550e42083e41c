"""Whether inputs have texts that look like a path of the event and are none: `$body.id` and
`{{body.id}}` instead of `${body.id}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bridge.cli.written_routes import read_routes
from bridge.core.errors import Problem
from bridge.core.model import JSON
from bridge.routing.expressions.paths import write_path
from bridge.routing.expressions.roots import ROOTS
from bridge.routing.templates import parse

if TYPE_CHECKING:
    from bridge.config.problems import Path
    from bridge.routing.model import Config

_ROOT = f"({'|'.join(ROOTS)})"
_STEP = r"""\.[\w-]+|\."[^"]+"|\[\d+\]|\[['"][^'"]+['"]\]"""
_DOLLAR = re.compile(rf"(?<![\w$])\${_ROOT}((?:{_STEP})+)")
_DOLLAR_ALONE = re.compile(rf"\s*\${_ROOT}()\s*")
_BRACES = re.compile(rf"\{{\{{-?\s*{_ROOT}((?:{_STEP})*)(?![\w:])[^{{}}]*\}}\}}")
_STEPS = re.compile(r"""\.([\w-]+)|\."([^"]+)"|\[(\d+)\]|\[['"]([^'"]+)['"]\]""")


def find_unbraced(config: Config) -> list[Problem]:
    """Return a warning for each text of `inputs` that is plain and was most likely meant as an
    expression; by their places.
    """
    report, places = read_routes(config)
    for index, written in places.values():
        for path, text in _texts(written.get("inputs"), ("routes", index, "inputs")):
            found = next(
                filter(None, map(_search, (part for part in parse(text) if isinstance(part, str)))),
                None,
            )
            if found is not None:
                said = (
                    f"`{found[0].strip()}` is plain text and stays as it is; did you mean"
                    f" `${{{_path(found)}}}`?"
                )
                report.add(path, said, level="warning")
    return sorted(report.problems)


def _search(text: str) -> re.Match[str] | None:
    return _DOLLAR_ALONE.fullmatch(text) or _DOLLAR.search(text) or _BRACES.search(text)


def _path(found: re.Match[str]) -> str:
    """Return the path that was meant, as an expression has it."""
    steps: list[str | int] = [found[1]]
    for name, quoted, number, key in _STEPS.findall(found[2]):
        step = name or quoted or key
        steps.append(int(number) if number else step.lower() if found[1] == "headers" else step)
    return write_path(tuple(steps))


def _texts(document: JSON, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(document, str):
        yield path, document
    elif isinstance(document, (Mapping, list)):
        for key, value in (
            document.items() if isinstance(document, Mapping) else enumerate(document)
        ):
            yield from _texts(value, (*path, key))
