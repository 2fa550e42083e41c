r"""Translate regular expressions of Go (RE2) into those of routes.yaml. Pure.

In Go, `\d`, `\w`, `\s` and `\b` know ASCII only, `$` is the end of the text, `\z` is written `\Z`
here, and POSIX classes, `\x{…}` and `\Q…\E` exist.
"""

from __future__ import annotations

import re
from typing import Final

from bridge.core.errors import CompileError
from bridge.core.linear_regex import Pattern

_CLASSES: Final = {
    "d": "0-9",
    "w": "0-9A-Za-z_",
    "s": r"\t\n\f\r ",
    "D": r"\x00-/:-\U0010ffff",
    "W": r"\x00-/:-@\[-\^`{-\U0010ffff",
    "S": r"\x00-\x08\x0b\x0e-\x1f!-\U0010ffff",
}
_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_REPEAT = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_GROUP = re.compile(
    r"\((?:\?(?:P?<(?P<name>[A-Za-z_]\w*)>|(?P<flags>[imsU]*(?:-[imsU]+)?)(?P<end>[:)])))?"
)
_HEX = re.compile(r"\\x(?:\{(?P<long>[0-9A-Fa-f]{1,6})\}|(?P<short>[0-9A-Fa-f]{2}))")
_POSIX_CLASS = re.compile(r"\[:(\^?)([a-z]+):\]")


def translate_pattern(pattern: str) -> str:
    """Return the pattern in the syntax of routes.yaml; CompileError where there is none."""
    translated = _Translator(pattern).translate()
    Pattern(translated)  # raises CompileError
    return translated


class _Translator:
    """Reads a Go pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.parts: list[str] = []
        self.multiline = [False]  # of each open group

    def translate(self) -> str:
        while self.at < len(self.text):
            self.parts.append(self._part())
        return "".join(self.parts)

    def _part(self) -> str:
        char = self.text[self.at]
        if char == "\\":
            return self._escape(inside=False)
        if char == "[":
            return self._class()
        if char == "(":
            return self._group()
        if char == "{" and (repeat := _REPEAT.match(self.text, self.at)):
            self.at = repeat.end()
            return repeat[0]
        self.at += 1
        if char == ")" and len(self.multiline) > 1:
            self.multiline.pop()
        if char == "$":
            return "$" if self.multiline[-1] else r"\Z"
        return r"\{" if char == "{" else char

    def _group(self) -> str:
        match = _GROUP.match(self.text, self.at)
        if match is None or (match.end() == self.at + 1 and self.text[match.end() :][:1] == "?"):
            raise CompileError(f"Go has no {self.text[self.at : self.at + 4]!r}")
        is_first = self.at == 0
        self.at = match.end()
        flags = (match["flags"] or "").replace("U", "").rstrip("-")
        added, _, removed = flags.partition("-")
        multiline = (self.multiline[-1] or "m" in added) and "m" not in removed
        if match["end"] == ")":
            if not is_first or removed:
                raise CompileError("flags in the middle of a pattern cannot be translated")
            self.multiline[-1] = multiline
            return f"(?{added})" if added else ""
        self.multiline.append(multiline)
        if match["name"]:
            return f"(?P<{match['name']}>"
        return f"(?{flags}:" if match["end"] else "("

    def _escape(self, *, inside: bool) -> str:
        """Return an escape, as a part of a class where `inside` is true."""
        if (code := _HEX.match(self.text, self.at)) is not None:
            self.at = code.end()
            return _literal(chr(min(int(code["long"] or code["short"], 16), 0x10FFFF)))
        char = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        if char in _CLASSES:
            return _CLASSES[char] if inside else f"[{_CLASSES[char]}]"
        if char == "Q":
            end = self.text.find(r"\E", self.at)
            quoted = self.text[self.at : end if end >= 0 else len(self.text)]
            self.at += len(quoted) + (2 if end >= 0 else 0)
            return re.escape(quoted)
        if char and (char in "afnrtv" or (char.isascii() and not char.isalnum())):
            return f"\\{char}"
        if not inside and char in ("A", "z", "b", "B"):
            return {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}[char]
        raise CompileError(f"`\\{char}` cannot be translated")

    def _class(self) -> str:
        self.at += 1
        parts = ["["]
        if self.text[self.at : self.at + 1] == "^":
            parts.append("^")
            self.at += 1
        first = True
        while True:
            char = self.text[self.at : self.at + 1]
            if not char:
                raise CompileError("a class is not closed")
            if char == "]" and not first:
                self.at += 1
                return "".join([*parts, "]"])
            first = False
            parts.append(self._class_part(char))

    def _class_part(self, char: str) -> str:
        if char == "\\":
            return self._escape(inside=True)
        posix = _POSIX_CLASS.match(self.text, self.at)
        if posix is not None:
            self.at = posix.end()
            if posix[1] or posix[2] not in _POSIX:
                raise CompileError(f"the class {posix[0]} cannot be translated")
            return _POSIX[posix[2]]
        self.at += 1
        return f"\\{char}" if char in "[]&~|" else char


def _literal(char: str) -> str:
    return re.escape(char)
