"""JSON that a hostile sender may choose."""

from __future__ import annotations

from itertools import islice, product


def arrays_of_one_hash(size: int) -> list[list[int]]:
    """Return different arrays whose tuples have one hash: Python gives -1 and -2 the same."""
    return [list(each) for each in islice(product((-1, -2), repeat=12), size)]
