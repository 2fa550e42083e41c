"""JSON pointers (RFC 6901): write a step of one, read one, and follow it. Pure.

https://www.rfc-editor.org/rfc/rfc6901
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from bridge.core.model import JSON

MAX_POINTER_CHARS: Final = 4000
_WRONG_ESCAPE: Final = re.compile("~(?![01])")
_INDEX: Final = re.compile("0|[1-9][0-9]{0,8}")


class MissingPlace(LookupError):
    """A pointer leads nowhere. `steps` of it exist; the value there, `around`, has no `name`."""

    def __init__(self, steps: tuple[str | int, ...], around: JSON, name: str) -> None:
        self.steps = steps
        self.around = around
        self.name = name
        super().__init__(name)


def escape_step(step: object) -> str:
    """Return a key or an index as a step of a pointer."""
    return str(step).replace("~", "~0").replace("/", "~1")


def write_pointer(steps: Sequence[str | int]) -> str:
    """Return keys and indexes as a pointer."""
    return "".join(f"/{escape_step(one)}" for one in steps)


def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the names of a pointer; none for the empty one, which is that of the whole value.

    Raises `ValueError` with a message for the user.
    """
    if len(text) > MAX_POINTER_CHARS:
        raise ValueError(f"it has {len(text)} characters; allowed are at most {MAX_POINTER_CHARS}")
    if text and not text.startswith("/"):
        raise ValueError("a JSON pointer is empty or begins with `/`, as in `/issue/title`")
    if _WRONG_ESCAPE.search(text):
        raise ValueError("a JSON pointer writes `~` in a name as `~0`, and `/` as `~1`")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def follow_pointer(value: JSON, names: Sequence[str]) -> tuple[tuple[str | int, ...], JSON]:
    """Return the steps to the value at a parsed pointer, and the value. Raises `MissingPlace`."""
    steps: list[str | int] = []
    for name in names:
        if isinstance(value, Mapping) and name in value:
            value = value[name]
            steps.append(name)
        elif isinstance(value, list | tuple) and _INDEX.fullmatch(name) and int(name) < len(value):
            value = value[int(name)]
            steps.append(int(name))
        else:
            raise MissingPlace(tuple(steps), value, name)
    return tuple(steps), value


def find_value(value: JSON, pointer: str) -> JSON:
    """Return the value at a pointer. Raises `ValueError`, or `MissingPlace` if there is none."""
    return follow_pointer(value, parse_pointer(pointer))[1]
