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


def find_records(asked: ConsoleRequest) -> Screen | Response:
    """Return the records that were found; the only one is opened at once."""
    if "q" not in asked.given:
        return redirect(make_link("/events"), 303)
    found = read_list(asked, FOUND)
    is_only = len(found.items) == 1 and found.next_url is None and found.newest_url is None
    if is_only and (url := link_record(found.items[0]["id"])) is not None:
        return redirect(url, 303)
    return Screen(
        template="find.html",
        title=f"Results for “{asked.given['q'][0][:80]}”",
        values={
            "list": found,
            "urls": {one["id"]: link_record(one["id"]) for one in found.items},
            "may_read_contents": asked.may_read_contents,
        },
        status=found.status,
    )
