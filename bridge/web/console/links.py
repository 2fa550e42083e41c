"""Links of the console: its own paths with query parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from bridge.web.mount_paths import CONSOLE_PATH


def make_link(path: str, query: Mapping[str, Sequence[str] | str] | None = None) -> str:
    """Return the URL of a path below /console, with query parameters."""
    pairs = [
        (name, text)
        for name, texts in (query or {}).items()
        for text in ([texts] if isinstance(texts, str) else texts)
    ]
    url = CONSOLE_PATH + quote(path, safe="/")
    return f"{url}?{urlencode(pairs, errors='surrogateescape')}" if pairs else url
