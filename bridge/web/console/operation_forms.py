"""The form that begins an operation. Every page that acts sends it to `POST /operations`.

Its fields:

- `command`: a word such as `retry`, or with an outcome, as in `resolve:queued`.
- `id`: the records, as often as there are some; or `which=all` with the filters of a list, each
  as `filter.NAME`, and the `list` of the admin API that they are of.
- `how.NAME`: the options of the command, such as `how.run_id`; empty ones are left out.
- `next`: the page to return to.

Nothing is done yet: the items are counted and stored, and the page of the operation asks whether
to go on. `operation_parts.html` has macros for the form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from bridge.core.scopes import Scope
from bridge.web.console.console_request import ConsoleRequest
from bridge.web.console.links import make_link
from bridge.web.console.lists import PAGE_PARAMETERS, ConsoleList
from bridge.web.console.operation_words import OUTCOME_MARK

FILTER_PREFIX: Final = "filter."
OPTION_PREFIX: Final = "how."
FLAGS: Final = ("force",)
#: The id of the sentence in the bar of a list that only a URL with this fragment shows.
NOTHING_TICKED: Final = "nothing-ticked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActBar:
    """The bar above a list with which a session acts on its rows.

    `commands`: the words for `command` with a label each. `filters`: those of the list, which
    select all that match; empty where that is not offered. `options`: fields of the command.
    `list`: the word for the list in an operation. `url`: the list itself.
    """

    commands: Sequence[tuple[str, str]]
    url: str
    filters: Sequence[tuple[str, str]] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    list: str = ""


def make_act_bar(
    console_request: ConsoleRequest,
    console_list: ConsoleList,
    path: str,
    commands: Sequence[tuple[str, str]],
    *,
    fixed: Mapping[str, str] | None = None,
    without_all: Sequence[str] = (),
    list_: str = "",
) -> ActBar | None:
    """Return the bar of a list; None where the session may not act, or there are no rows.

    `fixed`: filters that the list always has. `without_all`: filters of the list that operations
    do not have. `list_`: the word for the list in an operation.
    """
    if not console_request.may(Scope.ACT) or not console_list.items:
        return None
    query = {
        name: texts for name, texts in console_request.given.items() if name not in PAGE_PARAMETERS
    }
    filters = [(name, text) for name, texts in query.items() for text in texts]
    filters += (fixed or {}).items()
    is_offered = not any(name in without_all for name in query)
    route = query.get("route", [""])[0]
    return ActBar(
        commands=commands,
        url=make_link(path, console_request.given),
        filters=filters if is_offered else (),
        options={"through": route} if route else {},
        list=list_,
    )


def read_filters(form: MultiDict[str, str]) -> dict[str, list[str]]:
    """Return the filters of a form as its page had them, without those that are empty."""
    filters = {
        name.removeprefix(FILTER_PREFIX): [text for text in texts if text.strip()]
        for name, texts in form.lists()
        if name.startswith(FILTER_PREFIX)
    }
    return {name: texts for name, texts in filters.items() if texts}


def lacks_records(form: MultiDict[str, str]) -> bool:
    """Return whether a form of a list names no record: no row was ticked."""
    return form.get("which") != "all" and not any(form.getlist("id"))


def read_proposal(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return the body of the same request to the admin API, not yet validated."""
    command, _, outcome = form.get("command", "").partition(OUTCOME_MARK)
    body: dict[str, Any] = {"command": command, "mode": "propose"}
    how: dict[str, Any] = {"to": outcome} if outcome else {}
    for name, texts in form.lists():
        text = next(filter(None, map(str.strip, texts)), None)
        if text is not None and name.startswith(OPTION_PREFIX):
            option = name.removeprefix(OPTION_PREFIX)
            how[option] = True if option in FLAGS else text
    if command != "replay":
        how.pop("through", None)  # a bar sends it with every command
    ids = [record_id for record_id in form.getlist("id") if record_id]
    if form.get("which") == "all":
        filters = read_filters(form)
        body["filters"] = {
            name: texts if len(texts) > 1 else texts[0] for name, texts in filters.items()
        }
        if form.get("list"):
            body["list"] = form["list"]
    else:
        body["ids"] = ids
    return body | ({"how": how} if how else {})
