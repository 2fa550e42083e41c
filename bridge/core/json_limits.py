"""Measure the depth and size of JSON from its bytes, before it is parsed. Pure.

A small body can take forty times its size in memory once parsed: `[{"":0},{"":0},…`. So unverified
JSON is measured first.
"""

from __future__ import annotations

import re
from itertools import islice

# of JSON that is parsed before its signature is verified: some ten megabytes
MAX_VALUES = 50_000
# bytes of an unverified request that tests a URL or delivers a secret
MAX_TEST_BYTES = 16 * 1024

# Possessive, and a string may lack its end: every byte is read once, whatever the bytes are.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
_TO_NEXT_MARK = re.compile(rb'(?:"(?:[^"\\]++|\\.?)*+"?+|[^"\[{,]++)*+[\[{,]?+', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def exceeds_depth(raw: bytes, limit: int) -> bool:
    """Return whether the JSON text `raw` nests deeper than `limit`.

    Nearly every body has fewer brackets in all than `limit`, and passes by a count of them.
    """
    if _count(raw, b"{", limit + 1) + _count(raw, b"[", limit + 1) <= limit:
        return False
    depth = 0
    for bracket in _STRINGS.sub(b"", raw).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > limit:
            return True
    return False


def exceeds_values(raw: bytes, limit: int = MAX_VALUES) -> bool:
    """Return whether the JSON text `raw` may hold more than `limit` values.

    Each value but the first follows a comma or a bracket. Commas and brackets inside of strings are
    excluded only if the plain count is over the limit.
    """
    if sum(_count(raw, mark, limit + 1) for mark in (b",", b"[", b"{")) <= limit:
        return False
    return sum(1 for _ in islice(_TO_NEXT_MARK.finditer(raw), limit + 1)) > limit


def _count(raw: bytes, byte: bytes, most: int) -> int:
    """Return how often a byte occurs, at most `most`.

    `bytes.count` compares byte by byte, which takes nine times as long where the byte is rare.
    """
    return len(raw) - len(raw.replace(byte, b"", most))
