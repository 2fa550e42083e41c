"""The places of a JSON value whose name or value contains a text. Pure.

The search is bounded in what it reads and finds, and no function recurses: a payload may be nested
as deeply as it likes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bridge.core.json_values import write_pointer
from bridge.core.model import JSON
from bridge.web.console.payload_tree import MAX_PATH_CHARS, name_members, write_scalar

MAX_SEARCH_CHARS: Final = 200
MAX_PLACES: Final = 50
MAX_SEARCHED_VALUES: Final = 200_000
EXCERPT_CHARS: Final = 120  # of a value, with what was searched in it
BEFORE_CHARS: Final = 40  # of them before it


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPlace:
    """A place that was found. `path`: as `match` writes it, cut if it is long.

    `text`: an excerpt of the value, or the number of members in brackets. `kind`: `string` or
    `other`. `pointer`: null if it is too long for a link.
    """

    path: str
    text: str
    kind: str
    pointer: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadSearch:
    """The result of a search. `limit`: why it ended early, in words; null if it did not."""

    text: str
    places: Sequence[FoundPlace]
    limit: str | None = None


def search_payload(
    value: JSON,
    text: str,
    *,
    path: str = "body",
    pointer: str = "",
    max_places: int = MAX_PLACES,
    values: int = MAX_SEARCHED_VALUES,
) -> PayloadSearch:
    """Return the places below a value whose name or value contains a text, in any case.

    A text with a dot is also compared with the end of each path. `path` and `pointer`: those of the
    value. At most `values` are read, and `max_places` places returned.
    """
    needle = text.casefold()
    places: list[FoundPlace] = []
    limit: str | None = None
    for number, (steps, child) in enumerate(_walk(value)):
        if number >= values:
            limit = f"Only the first {values:,} values were searched."
            break
        at = _find(child, needle)
        if at >= 0 or needle in steps[-1].casefold() or _is_end_of_path(steps, path, needle):
            if len(places) >= max_places:
                limit = f"The first {max_places} places are shown."
                break
            places.append(_describe(steps, child, max(at, 0), path, pointer))
    return PayloadSearch(text=text, places=places, limit=limit)


def _walk(value: JSON) -> Iterator[tuple[Sequence[str], JSON]]:
    """Yield each value below a value, with the names that lead to it until the next one."""
    steps: list[str] = []
    stack = [name_members(value)]
    while stack:
        member = next(stack[-1], None)
        if member is None:
            stack.pop()
            if steps:
                steps.pop()
            continue
        name, child = member
        steps.append(name)
        yield steps, child
        if isinstance(child, dict | list | tuple) and child:
            stack.append(name_members(child))
        else:
            steps.pop()


def _find(value: JSON, needle: str) -> int:
    """Return where a string, number, boolean or null has the text; -1 where it has not."""
    if isinstance(value, dict | list | tuple):
        return -1
    return write_scalar(value).casefold().find(needle)


def _is_end_of_path(steps: Sequence[str], path: str, needle: str) -> bool:
    if "." not in needle:
        return False
    parts = needle.count(".") + 1
    end = ".".join(steps[-parts:] if len(steps) >= parts else [path, *steps])
    return end.casefold() == needle


def _describe(steps: Sequence[str], value: JSON, at: int, path: str, pointer: str) -> FoundPlace:
    place = pointer + write_pointer(steps)
    full_path = ".".join((path, *steps))
    if isinstance(value, dict | list | tuple):
        text = f"{{{len(value)}}}" if isinstance(value, dict) else f"[{len(value)}]"
    else:
        whole = write_scalar(value)
        start = 0 if len(whole) <= EXCERPT_CHARS else max(0, at - BEFORE_CHARS)
        end = start + EXCERPT_CHARS
        text = f"{'…' if start else ''}{whole[start:end]}{'…' if end < len(whole) else ''}"
    is_string = isinstance(value, str)
    return FoundPlace(
        path=full_path if len(full_path) <= MAX_PATH_CHARS else f"…{full_path[-MAX_PATH_CHARS:]}",
        text=f'"{text}"' if is_string else text,
        kind="string" if is_string else "other",
        pointer=place if len(place) <= MAX_PATH_CHARS else None,
    )
