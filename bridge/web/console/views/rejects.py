"""`/rejects`: requests that failed verification, each with the diagnosis of its failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.api.parameters import BEFORE, REJECT_LIMIT, SINCE, SOURCE
from bridge.api.resources import rejects
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.links import make_link
from bridge.web.console.lists import ListKind, read_list
from bridge.web.console.operation_forms import make_act_bar
from bridge.web.console.record_links import link_record

REJECTS: Final = ListKind(
    path="/rejects",
    answer=rejects.list_rejects,
    parameters=(SOURCE, SINCE, REJECT_LIMIT, BEFORE),
    presets=(("today", {"since": "1d"}),),
    is_of_rejects=True,
)
COMMANDS: Final = (("readmit", "Readmit"),)
MAX_BODY_CHARS: Final = 64 * 1024  # of the stored copy that are shown


def list_rejects(console_request: ConsoleRequest) -> Screen:
    """Return a page of rejects."""
    console_list = read_list(console_request, REJECTS)
    return Screen(
        template="rejects.html",
        title="Rejects",
        values={
            "list": console_list,
            "bar": make_act_bar(console_request, console_list, REJECTS.path, COMMANDS),
            "may_read_contents": console_request.may_read_contents,
        },
        status=console_list.status,
    )


def show_reject(console_request: ConsoleRequest) -> Screen:
    """Return one reject with the request as it arrived, and why it failed."""
    reject = console_request.read(rejects.show_reject)
    return Screen(
        template="reject.html",
        title=f"Reject of {reject['source']}",
        values={
            "one": reject,
            "events": [{"id": id_, "url": link_record(id_)} for id_ in reject["events"]],
            "body": _read_body(reject),
            "may_read_contents": console_request.may_read_contents,
            "next": make_link(f"/rejects/{reject['id']}"),
        },
    )


def _read_body(reject: Mapping[str, Any]) -> str | None:
    """Return the beginning of the body as text; null where it is hidden or no text."""
    body = reject["body"]
    return body[:MAX_BODY_CHARS] if isinstance(body, str) else None
