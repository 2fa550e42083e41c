"""The page of the console that shows what a condition is about."""

from __future__ import annotations

from typing import Final

from bridge.web.console.links import make_link

#: condition -> the path, the filters and the label of its page
LINKS: Final[dict[str, tuple[str, dict[str, str], str]]] = {
    "circuit_open": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "credentials_refused": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "dead": ("/causes", {"since": "1d"}, "Causes of dead deliveries"),
    "platform_full": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "platform_missing": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "queue_late": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "rejects": ("/rejects", {}, "Rejects"),
    "runs_failing": ("/deliveries", {"run": "failed", "since": "1d"}, "Failed runs"),
    "starts_held": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "unknown": ("/unknown", {}, "Unknown deliveries"),
}
#: Conditions whose subject is a filter of that page.
_SUBJECTS: Final = {"queue_late": "route", "rejects": "source", "runs_failing": "route"}


def split_condition_key(key: str) -> tuple[str, str]:
    """Return a condition and its subject: of `CONDITION:ROUTE:PLATFORM` the route."""
    condition, subject, *_ = (*key.split(":"), "")
    return condition, subject


def link_condition(key: str) -> tuple[str, str] | None:
    """Return the URL and the label of the page for the key of a condition; None without one."""
    condition, subject = split_condition_key(key)
    page = LINKS.get(condition)
    if page is None:
        return None
    path, filters, label = page
    name = _SUBJECTS.get(condition)
    return make_link(path, filters | ({name: subject} if name and subject else {})), label
