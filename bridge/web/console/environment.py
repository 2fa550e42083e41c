"""The templates of the console. Every value is escaped, and unprintable characters are shown."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from bridge.core.scopes import list_scopes
from bridge.core.status import find_kind
from bridge.core.text import escape_lines, escape_unprintable, pluralize, write_status_code
from bridge.core.units import in_utc, parse_iso
from bridge.web.console.assets import asset_url
from bridge.web.console.failures import as_sentence
from bridge.web.console.links import make_link

KIB: Final = 1024
#: The characters of an id in a list: the prefix, its time, and four random ones.
ID_CHARS: Final = 18
#: It evaluates no text, adds no style, and stores no page in the browser. Only a whole answer
#: replaces a part: on an error or a 304 the old one stays.
HTMX_CONFIG: Final = {
    "allowEval": False,
    "allowScriptTags": False,
    "includeIndicatorStyles": False,
    "selfRequestsOnly": True,
    "historyEnabled": False,
    "historyCacheSize": 0,
    "responseHandling": [{"code": "200", "swap": True}, {"code": "...", "swap": False}],
}
SPANS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


class CleanText(str):
    """A text whose unprintable characters are escaped already; its line breaks stay."""

    __slots__ = ()


@cache
def make_environment() -> Environment:
    """Return the templates with their filters. A missing value is an error."""
    environment = Environment(
        loader=PackageLoader("bridge.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_clean,
        auto_reload=False,
    )
    environment.filters |= {
        "time": format_time,
        "ago": format_ago,
        "span": format_span,
        "count": format_count,
        "bytes": format_bytes,
        "lines": format_lines,
        "marked": mark_code,
        "options": keep_options,
        "sentence": as_sentence,
        "short_id": shorten_id,
        "scopes": list_scopes,
    }
    environment.globals |= {
        "asset": asset_url,
        "htmx_config": orjson.dumps(HTMX_CONFIG).decode(),
        "link": make_link,
        "kind_of": find_kind,
        "pluralize": pluralize,
        "write_status_code": write_status_code,
    }
    return environment


def _clean(value: Any) -> Any:
    """Escape the unprintable characters of every text that a template prints."""
    if isinstance(value, str) and not isinstance(value, Markup | CleanText):
        return escape_unprintable(value)
    return "" if value is None else value


def mark_code(text: str | None) -> Markup:
    """Return a text whose parts in backticks are shown as code."""
    parts = str(_clean(text)).split("`")
    if len(parts) % 2 == 0:  # a backtick of a payload
        return escape("`".join(parts))
    return escape("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )


def keep_options(command: str) -> Markup:
    """Return a command whose options stay in one piece where its line breaks."""
    return escape(" ").join(
        Markup('<span class="option">{}</span>').format(word) if word.startswith("-") else word
        for word in escape_unprintable(command).split(" ")
    )


def format_time(at: float | str | None) -> Markup:
    """Return a time in UTC with its zone; the script can show it in the local zone instead."""
    when = _as_datetime(at)
    if when is None:
        return Markup('<span class="dim">–</span>')
    now = datetime.now(UTC)
    form = "%H:%M:%S" if when.date() == now.date() else "%b %d %H:%M:%S"
    if when.year != now.year:
        form = "%Y-%m-%d %H:%M:%S"
    return Markup('<time datetime="{}">{} <span class="zone">UTC</span></time>').format(
        when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), when.strftime(form)
    )


def format_ago(at: float | str | None) -> Markup:
    """Return how long ago a time is, such as `3 min ago`."""
    when = _as_datetime(at)
    if when is None:
        return Markup('<span class="dim">never</span>')
    text = escape(format_span(max(time.time() - when.timestamp(), 0.0)))
    return Markup('<time datetime="{}" data-ago="">{} ago</time>').format(
        when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), text
    )


def format_span(seconds: float | None) -> str:
    """Return a duration with one or two units, such as `0.31 s` or `2 h 5 min`."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{max(seconds, 0.0):.2f} s"
    left = seconds
    parts: list[str] = []
    for size, unit in SPANS:
        if left >= size and len(parts) < 2:
            parts.append(f"{int(left // size)} {unit}")
            left %= size
        elif parts:
            break
    return " ".join(parts)


def format_count(count: int, counted_to: int | None = None) -> str:
    """Return a number with separators; `100,000+` where counting stopped there."""
    more = "+" if counted_to is not None and count >= counted_to else ""
    return f"{count:,}{more}"


def format_bytes(size: float | None) -> str:
    """Return a size such as `12 KiB`."""
    if size is None:
        return "–"
    if size < KIB:
        return pluralize(int(size), "byte")
    for unit in ("KiB", "MiB", "GiB"):
        size /= KIB
        if size < KIB or unit == "GiB":
            break
    return f"{size:.1f} {unit}" if size < 10 else f"{size:,.0f} {unit}"


def shorten_id(id_: str) -> str:
    """Return the beginning of an id, which the search finds, as `evt_01jd2xk3m4p5q6…`."""
    return id_ if len(id_) <= ID_CHARS else f"{id_[:ID_CHARS]}…"


def format_lines(text: str) -> CleanText:
    """Return a text of several lines, each with its unprintable characters escaped."""
    return CleanText(escape_lines(text))


def _as_datetime(at: float | str | None) -> datetime | None:
    seconds = parse_iso(at) if isinstance(at, str) else at
    return None if seconds is None else in_utc(seconds)
