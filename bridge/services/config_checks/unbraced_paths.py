"""Check of inputs for plain text that looks like an expression: `$body.id` or `{{body.id}}`."""

from __future__ import annotations

import re

from bridge.routing.expressions.paths import write_path
from bridge.routing.expressions.roots import ROOTS
from bridge.routing.templates import parse_template
from bridge.services.config_checks.written_routes import WrittenRoutes

_ROOT = f"({'|'.join(ROOTS)})"
_STEP = r"""\.[\w-]+|\."[^"]+"|\[\d+\]|\[['"][^'"]+['"]\]"""
_DOLLAR = re.compile(rf"(?<![\w$])\${_ROOT}((?:{_STEP})+)")
_DOLLAR_ALONE = re.compile(rf"\s*\${_ROOT}()\s*")
_BRACES = re.compile(rf"\{{\{{-?\s*{_ROOT}((?:{_STEP})*)(?![\w:])[^{{}}]*\}}\}}")
_STEPS = re.compile(r"""\.([\w-]+)|\."([^"]+)"|\[(\d+)\]|\[['"]([^'"]+)['"]\]""")


def warn_of_unbraced(written: WrittenRoutes) -> None:
    """Report a warning for each plain text of `inputs` that was probably meant as an expression."""
    for route in written.routes.values():
        for written_text in route.texts:
            if written_text.path[0] != "inputs":
                continue
            plain = (part for part in parse_template(written_text.text) if isinstance(part, str))
            match = next(filter(None, map(_search, plain)), None)
            if match is not None:
                said = (
                    f"`{match[0].strip()}` is plain text and stays as it is; did you mean"
                    f" `${{{_path(match)}}}`?"
                )
                written.report.add((*route.path, *written_text.path), said, level="warning")


def _search(text: str) -> re.Match[str] | None:
    return _DOLLAR_ALONE.fullmatch(text) or _DOLLAR.search(text) or _BRACES.search(text)


def _path(match: re.Match[str]) -> str:
    """Return the intended path, as an expression writes it."""
    steps: list[str | int] = [match[1]]
    for name, quoted, number, key in _STEPS.findall(match[2]):
        step = name or quoted or key
        steps.append(int(number) if number else step.lower() if match[1] == "headers" else step)
    return write_path(tuple(steps))
