"""The page of the console that shows what a condition is about."""

from __future__ import annotations

from typing import Final

from bridge.web.console.links import make_link

#: condition -> the path, the filters and the label of its page
LINKS: Final = {
    "circuit_open": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "credentials_refused": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "dead": ("/deliveries", {"status": "dead", "since": "1d"}, "Dead deliveries"),
    "platform_full": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "platform_missing": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "queue_late": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "runs_failing": ("/deliveries", {"run": "failed", "since": "1d"}, "Failed runs"),
    "starts_held": ("/deliveries", {"status": "queued"}, "Waiting deliveries"),
    "unknown": ("/deliveries", {"status": "unknown"}, "Unknown deliveries"),
}
#: Conditions whose subject is a filter of that page.
_SUBJECTS: Final = {"queue_late": "route", "runs_failing": "route"}


def link_condition(key: str) -> tuple[str, str] | None:
    """Return the URL and the label of the page for the key of a condition; None without one."""
    condition, _, subject = key.partition(":")
    found = LINKS.get(condition)
    if found is None:
        return None
    path, filters, label = found
    name = _SUBJECTS.get(condition)
    return make_link(path, filters | ({name: subject} if name and subject else {})), label
