"""Translate regular expressions of JavaScript into those of routes.yaml. Pure."""

from __future__ import annotations

import re

from bridge.core.errors import CompileError
from bridge.core.linear_regex import Pattern
from bridge.importers.go_patterns import translate_pattern

_SLASHES = re.compile(r"/(?P<pattern>.*?)/(?P<flags>[gimusy]*)")
#: What Go reads in another way, or JavaScript refuses.
_OTHER_IN_GO = re.compile(
    r"\\[AzQa]|\\x\{|\[\^?\]|\[:\^?[a-z]+:\]|\(\?(?![:=!<])|\(\?<(?![A-Za-z_=!])"
)


def translate_js_pattern(text: str, *, ignores_case: bool) -> str:
    """Return a pattern, or a pattern between slashes with flags, in the syntax of routes.yaml.

    Raises CompileError where there is none.
    """
    match = _SLASHES.fullmatch(text)
    pattern = match["pattern"] if match else text
    written_flags = match["flags"] if match else ""
    if len(set(written_flags)) < len(written_flags) or set(written_flags) & {"u", "y"}:
        raise CompileError("the flags u and y, or one twice, have no counterpart")
    other = _find_other(pattern)
    if other is not None:
        raise CompileError(f"JavaScript reads {other!r} in another way")
    flags = "".join(sorted({*written_flags, "i"} if ignores_case else set(written_flags)))
    kept = "".join(flag for flag in flags if flag in "ims")
    return translate_pattern(f"(?{kept}){pattern}" if kept else pattern)


def matches_empty_text(pattern: str) -> bool:
    """Return whether a translated pattern matches the empty text."""
    return Pattern(pattern).search("")


def _find_other(pattern: str) -> str | None:
    """Return the first part that JavaScript reads in another way than Go, or None."""
    at = 0
    while at < len(pattern):
        match = _OTHER_IN_GO.match(pattern, at)
        if match is not None:
            return match[0]
        at += 2 if pattern[at] == "\\" else 1
    return None
