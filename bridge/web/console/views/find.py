"""`/find`: the records that an id, a sender's id or a text in a body names."""

from __future__ import annotations

from typing import Final

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from bridge.api.parameters import BEFORE, LIMIT
from bridge.api.resources import find
from bridge.api.resources.find import QUERY
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.links import make_link
from bridge.web.console.lists import ListKind, read_list
from bridge.web.console.record_links import link_record

FOUND: Final = ListKind(path="/find", answer=find.find_records, parameters=(QUERY, LIMIT, BEFORE))


def find_records(console_request: ConsoleRequest) -> Screen | Response:
    """Return the records that were found; the only one is opened at once."""
    if "q" not in console_request.given:
        return redirect(make_link("/events"), 303)
    console_list = read_list(console_request, FOUND)
    is_only = (
        len(console_list.items) == 1
        and console_list.next_url is None
        and console_list.newest_url is None
    )
    if is_only and (url := link_record(console_list.items[0]["id"])) is not None:
        return redirect(url, 303)
    return Screen(
        template="find.html",
        title=f"Results for “{console_request.given['q'][0][:80]}”",
        values={
            "list": console_list,
            "urls": {record["id"]: link_record(record["id"]) for record in console_list.items},
            "may_read_contents": console_request.may_read_contents,
        },
        status=console_list.status,
    )
