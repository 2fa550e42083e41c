"""How deep and how large JSON is, told from its bytes before anything reads it. Pure.

Read, a small body can take forty times its size in memory: `[{"":0},{"":0},…`. So what nobody has
proven yet is measured first.
"""

from __future__ import annotations

import re
from itertools import islice

# of JSON that is read before it is proven from whom it comes: some ten megabytes
MAX_VALUES = 50_000
# bytes of a request that tests a URL or tells a secret, before anything is proven
MAX_TEST = 16 * 1024

# Possessive, and content with a string that never ends: whatever the bytes, each is looked at once.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
_TO_NEXT_MARK = re.compile(rb'(?:"(?:[^"\\]++|\\.?)*+"?+|[^"\[{,]++)*+[\[{,]?+', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def depth_over(raw: bytes, limit: int) -> bool:
    """Tell whether the JSON text `raw` nests deeper than `limit`.

    Nearly every body has fewer brackets in all than the limit has levels, and is let through by
    counting them.
    """
    if raw.count(b"{") + raw.count(b"[") <= limit:
        return False
    depth = 0
    for bracket in _STRINGS.sub(b"", raw).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > limit:
            return True
    return False


def values_over(raw: bytes, limit: int = MAX_VALUES) -> bool:
    """Tell whether the JSON text `raw` may hold more than `limit` values.

    Each but the first of all stands behind a comma or a bracket; those inside of texts are told
    apart only where it matters.
    """
    if raw.count(b",") + raw.count(b"[") + raw.count(b"{") <= limit:
        return False
    return sum(1 for _ in islice(_TO_NEXT_MARK.finditer(raw), limit + 1)) > limit
