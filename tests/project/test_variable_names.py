"""Names in the code say what a thing is: `delivery`, not `one`; `match`, not `found`."""

from __future__ import annotations

import io
import keyword
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import bridge

ROOT = Path(bridge.__file__).parent
#: Each fits any variable: a search for it finds nothing.
VAGUE_NAMES = frozenset(
    {
        "asked",
        "chosen",
        "each",
        "found",
        "given",
        "held",
        "known",
        "most",
        "one",
        "shown",
        "there",
        "wanted",
    }
)
MAX_PER_THOUSAND = 3


def iterate_names(source: str) -> Iterator[str]:
    """Yield each use of a name in a module: of a variable, an attribute, an argument."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.NAME and not keyword.iskeyword(token.string):
            yield token.string


def test_variables_are_named_for_what_they_are() -> None:
    total = 0
    vague: Counter[str] = Counter()
    for path in ROOT.rglob("*.py"):
        names = list(iterate_names(path.read_text("utf-8")))
        total += len(names)
        if count := sum(name in VAGUE_NAMES for name in names):
            vague[str(path.relative_to(ROOT))] = count
    assert total > 200_000
    assert vague.total() * 1000 <= MAX_PER_THOUSAND * total, vague.most_common(20)


def test_each_use_of_a_name_counts() -> None:
    source = "def find(one):\n    return [each.name for each in one] if one else None\n"
    vague = Counter(name for name in iterate_names(source) if name in VAGUE_NAMES)
    assert vague == {"one": 3, "each": 2}
