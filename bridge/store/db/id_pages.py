"""Pages of ids: as many as one statement may name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

PAGE_IDS: Final = 500


def split_ids(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield ids in pages, in their order."""
    for at in range(0, len(ids), PAGE_IDS):
        yield ids[at : at + PAGE_IDS]
