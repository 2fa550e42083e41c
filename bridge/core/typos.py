"""Find the correct name for a misspelt one. Pure.

`find_typo` is stricter than a search for similar names: names that senders use side by side
(`state` and `status`, `line1` and `line2`, `subscribe` and `unsubscribe`) are not typos of each
other. `find_close_name` falls back to that search: it is for names that flowbridge knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Final

ONE_SLIP_LETTERS: Final = 4  # letters of a word in which one slip is a typo
TWO_SLIPS_LETTERS: Final = 9  # letters of a word in which two slips are a typo
MAX_SLIPS: Final = 2  # in all words of a name
# characters by which names may differ in length, `_` included; senders choose the length of theirs
MAX_LENGTH_DIFFERENCE: Final = 6
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+")


def find_typo(name: str, names: Iterable[str]) -> str | None:
    """Return the nearest of `names` to `name`; None if it is one of them, or unlike all."""
    candidates = list(names)
    near = (
        []
        if name in candidates
        else [
            (distance, candidate)
            for candidate in candidates
            if (distance := _distance(name, candidate)) is not None
        ]
    )
    return min(near, key=lambda pair: pair[0])[1] if near else None


def suggest(name: str, names: Any) -> str:
    """Return "did you mean `x`? " if one of `names` is similar, else ""."""
    close = find_close_name(name, names)
    return f"did you mean `{close}`? " if close is not None else ""


def find_close_name(name: str, names: Any) -> str | None:
    """Return the most similar of `names`, likely typos first; None if none is similar."""
    candidates = [str(candidate) for candidate in names]
    if (typo := find_typo(str(name), candidates)) is not None:
        return typo
    close = get_close_matches(str(name), candidates, n=1, cutoff=0.6)
    return close[0] if close and close[0] != name else None


def _distance(name: str, other: str) -> int | None:
    """Return the number of slips between two names; None if they differ. Digits must be equal."""
    if abs(len(name) - len(other)) > MAX_LENGTH_DIFFERENCE:
        return None
    if name[:1].casefold() != other[:1].casefold() or re.findall(r"\d+", name) != re.findall(
        r"\d+", other
    ):
        return None
    words = _words(name)
    others = _words(other)
    max_slips = MAX_SLIPS
    # `pullrequest` is `pull_request`, `project` not `project_id`
    if len(words) != len(others) or "".join(words) == "".join(others):
        words = ["".join(words)]
        others = ["".join(others)]
        max_slips = 1
    distances = [_word_distance(*pair) for pair in zip(words, others, strict=True)]
    slips = [slip for slip in distances if slip is not None]
    return sum(slips) if len(slips) == len(distances) and sum(slips) <= max_slips else None


def _word_distance(written: str, meant: str) -> int | None:
    """Return the number of slips between two words; None if they are different words.

    Words that begin or end otherwise are different words.
    """
    if written == meant:
        return 0
    if written in _forms(meant) or meant in _forms(written):
        return 1
    longest = max(len(written), len(meant))
    if written[0] != meant[0] or (len(written) == len(meant) and written[:-1] == meant[:-1]):
        return None
    slips = _slips(written, meant)
    return (
        slips if slips <= (longest >= ONE_SLIP_LETTERS) + (longest >= TWO_SLIPS_LETTERS) else None
    )


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(name)] or [name]


def _forms(word: str) -> tuple[str, ...]:
    """Return the plurals of a noun, and a common misspelling of a past tense (`payed`, `paid`)."""
    return (
        f"{word}s",
        f"{word}es",
        f"{word[:-1]}ies" if word.endswith("y") else "",
        f"{word[:-2]}yed" if word.endswith("id") else "",
    )


def _slips(written: str, meant: str) -> int:
    """Return the optimal string alignment distance: letters omitted, added, changed or swapped."""
    before = list[int]()
    row = list(range(len(meant) + 1))
    for i, mine in enumerate(written, 1):
        older = before
        before = row
        row = [i]
        for j, its in enumerate(meant, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (mine != its))
            if i > 1 and j > 1 and mine == meant[j - 2] and written[i - 2] == its:
                least = min(least, older[j - 2] + 1)
            row.append(least)
    return row[-1]
