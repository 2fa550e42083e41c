"""`/forms`: the forms, and the inbox of each: its submissions, their files, and its spam."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.parameters import BEFORE, SUBMISSION_LIMIT, Parameter, filter_parameters
from bridge.api.problems import ApiProblem
from bridge.api.selection import check_known_names, read_filters, read_page_request
from bridge.core.json_values import write_json
from bridge.core.model import JSON, FormFile
from bridge.core.status import SourceStatus
from bridge.providers.model import Provider
from bridge.services.events.delivery_states import describe_status
from bridge.services.filter_values import parse_excerpt
from bridge.services.form_inbox import InboxSubmission, make_field_test, page_inbox
from bridge.services.records.event_records import EVENT
from bridge.store.queries.filters import Filters
from bridge.system.previews.render import PREVIEW_FORMATS, can_render
from bridge.web.console.console_request import ConsoleRequest, Screen, check_id
from bridge.web.console.failures import refuse
from bridge.web.console.links import make_link
from bridge.web.console.lists import PAGE_PARAMETERS, ConsoleList, ListKind, read_list
from bridge.web.console.operation_forms import ActBar, make_act_bar

MAX_FIELD_COLUMNS: Final = 3
MAX_CELL_CHARS: Final = 160
MAX_LABEL_CHARS: Final = 40  # of the name of a field
FORM_PROVIDER: Final = "form"
TEXT: Final = Parameter(
    name="text",
    doc="Only if a field contains this text, in any case.",
    parse=parse_excerpt,
    reads_contents=True,
)
_FILTERS: Final = {parameter.name: parameter for parameter in filter_parameters(of_events=True)}
#: The filters of an inbox, and those of its spam, which has no deliveries.
INBOX_FILTERS: Final = (TEXT, *(_FILTERS[name] for name in ("status", "since", "until")))
SPAM_FILTERS: Final = (TEXT, *(_FILTERS[name] for name in ("reason", "since", "until")))
INBOX_COMMANDS: Final = (("replay", "Replay"),)
FORM_COMMANDS: Final = (("spam mark", "Mark as spam"), *INBOX_COMMANDS)
SPAM_COMMANDS: Final = (("spam release", "Release: start the flows"),)


def list_forms(console_request: ConsoleRequest) -> Screen:
    """Return the forms of routes.yaml, and the sources of form services."""
    sources = console_request.context.config().sources
    overview = console_request.context.overview.get()
    statuses = {status.name: status for status in overview.sources}
    forms = [
        {
            "title": source.provider.title,
            "is_own": source.provider.name == FORM_PROVIDER,
            "status": statuses.get(name, SourceStatus(name=name)),
        }
        for name, source in sources.items()
        if has_fields(source.provider)
    ]
    return Screen(
        template="forms.html",
        title="Forms",
        values={"forms": forms, "today_cut": overview.today_cut},
    )


def show_inbox(console_request: ConsoleRequest) -> Screen:
    """Return a page of the submissions of a form."""
    return _show(console_request, is_spam=False)


def show_spam(console_request: ConsoleRequest) -> Screen:
    """Return a page of the submissions of a form that are marked as spam."""
    return _show(console_request, is_spam=True)


def has_fields(provider: Provider) -> bool:
    """Return whether the events of a provider are submissions, with fields."""
    return provider.name == FORM_PROVIDER or provider.fields is not None


def read_form_name(console_request: ConsoleRequest) -> str:
    """Return the source of the page. Raises `PageRefused` if no form has that name.

    A source that was removed from routes.yaml has an inbox, whatever its provider was.
    """
    name = check_id("name", console_request.ids["name"])
    source = console_request.context.config().sources.get(name)
    is_form = source is None or has_fields(source.provider)
    with suppress(ApiProblem):
        check_known_names(
            console_request.context, replace(console_request.ask(), values={"source": name})
        )
        if is_form:
            return name
    raise refuse(404, f"There is no form {name!r}.")


def make_inbox_filters(
    context: ApiContext, request: ApiRequest, name: str, *, is_spam: bool
) -> Filters:
    """Return the filters of a request for the submissions of a form."""
    values = {**request.values, "source": name, "spam": is_spam}
    text = values.pop(TEXT.name, None)
    filters = read_filters(context, replace(request, values=values))
    if text is None:
        return filters
    test = make_field_test(text, context.config().sources, filters.where)
    return replace(filters, where=test)


def _show(console_request: ConsoleRequest, *, is_spam: bool) -> Screen:
    name = read_form_name(console_request)
    path = f"/forms/{name}/spam" if is_spam else f"/forms/{name}"

    def answer(context: ApiContext, request: ApiRequest) -> Answer:
        filters = make_inbox_filters(context, request, name, is_spam=is_spam)
        page = page_inbox(
            context.database,
            context.config().sources,
            filters,
            read_page_request(context, path, request),
            with_contents=request.with_contents,
        )
        return page.as_json(
            lambda submission: _describe(submission, with_contents=request.with_contents)
        )

    kind = ListKind(
        path=path,
        answer=answer,
        parameters=(*(SPAM_FILTERS if is_spam else INBOX_FILTERS), SUBMISSION_LIMIT, BEFORE),
        presets=() if is_spam else (("today", {"since": "1d"}), ("no flow", {"status": "none"})),
    )
    console_list = read_list(console_request, kind)
    return Screen(
        template="form_inbox.html",
        title=name,
        values={
            "list": console_list,
            "name": name,
            "is_spam": is_spam,
            "may_read_contents": console_request.may_read_contents,
            "has_files": any(submission["files"] for submission in console_list.items),
            "columns": _list_columns(console_list.items),
            "bar": _make_bar(console_request, console_list, name, path, is_spam=is_spam),
            "tabs": _list_tabs(console_request, name, is_spam=is_spam),
            "downloads": _list_downloads(console_request, name, is_spam=is_spam),
        },
        status=console_list.status,
    )


# -- parts


def _describe(submission: InboxSubmission, *, with_contents: bool) -> dict[str, JSON]:
    shape = EVENT.write(
        submission.event, deliveries=submission.deliveries, with_contents=with_contents
    )
    words = Counter(describe_status(delivery) for delivery in submission.deliveries)
    reasons = [record["reason"] for record in _records(shape["deliveries"]) if record["reason"]]
    fields = submission.fields or {}
    return {
        "id": submission.event.id,
        "received_at": shape["received_at"],
        "outcomes": [[word, count] for word, count in words.items()],
        "reason": shape["problem"] or next(iter(reasons), None),
        "spam": shape["spam"],
        "fields": {name: _as_text(value) for name, value in fields.items()},
        "is_deleted": submission.is_deleted,
        "is_readable": submission.fields is not None,
        "reply_to": submission.reply_to,
        "duplicates": submission.event.duplicates,
        "files": [
            _describe_file(submission.event.id, number, file, with_contents=with_contents)
            for number, file in enumerate(submission.event.files)
        ],
    }


def _describe_file(
    event_id: str, number: int, file: FormFile, *, with_contents: bool
) -> dict[str, JSON]:
    """Return a file with its links; without contents only its size and type."""
    about: dict[str, JSON] = {"type": file.type, "size": file.size}
    if not with_contents:
        return about
    path = f"/events/{event_id}/file"
    has_preview = file.type in PREVIEW_FORMATS and can_render()
    link = {"number": str(number)}
    return about | {
        "name": file.name,
        "url": make_link(path, link),
        "preview": make_link(path, link | {"preview": "true"}) if has_preview else None,
    }


def _list_columns(items: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return the first fields of a page, each with its label."""
    names = dict.fromkeys(name for submission in items for name in submission["fields"])
    return [(name, _shorten(name, MAX_LABEL_CHARS)) for name in islice(names, MAX_FIELD_COLUMNS)]


def _make_bar(
    console_request: ConsoleRequest,
    console_list: ConsoleList,
    name: str,
    path: str,
    *,
    is_spam: bool,
) -> ActBar | None:
    if is_spam:
        fixed = {"source": name}
        return make_act_bar(
            console_request,
            console_list,
            path,
            SPAM_COMMANDS,
            fixed=fixed,
            without_all=(TEXT.name,),
        )
    commands = FORM_COMMANDS if _is_own(console_request, name) else INBOX_COMMANDS
    bar = make_act_bar(console_request, console_list, path, commands)
    return bar and replace(bar, filters=())  # `spam mark` takes ids only


def _list_tabs(
    console_request: ConsoleRequest, name: str, *, is_spam: bool
) -> list[dict[str, Any]]:
    statuses = {status.name: status for status in console_request.context.overview.get().sources}
    spam = statuses[name].spam if name in statuses else 0
    return [
        {"label": "Inbox", "url": make_link(f"/forms/{name}"), "is_current": not is_spam, "new": 0},
        {
            "label": "Spam",
            "url": make_link(f"/forms/{name}/spam"),
            "is_current": is_spam,
            "new": spam,
        },
    ]


def _list_downloads(
    console_request: ConsoleRequest, name: str, *, is_spam: bool
) -> list[tuple[str, str]]:
    """Return the label and the URL of each download of the list with its filters."""
    if not console_request.may_read_contents:
        return []
    query = {
        key: texts for key, texts in console_request.given.items() if key not in PAGE_PARAMETERS
    }
    spam = {"spam": ["true"]} if is_spam else {}
    return [
        (label, make_link(f"/forms/{name}/export", {**query, **spam, "as": [word]}))
        for word, label in (("csv", "CSV"), ("ndjson", "NDJSON"))
    ]


def _is_own(console_request: ConsoleRequest, name: str) -> bool:
    source = console_request.context.config().sources.get(name)
    return source is not None and source.provider.name == FORM_PROVIDER


def _as_text(value: JSON) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(member, str) for member in value):
        return _shorten(", ".join(map(str, value)), MAX_CELL_CHARS)
    text = value if isinstance(value, str) else "" if value is None else write_json(value).decode()
    return _shorten(text, MAX_CELL_CHARS)


def _shorten(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else text[: max_chars - 1] + "…"


def _records(value: JSON) -> list[dict[str, JSON]]:
    return (
        [member for member in value if isinstance(member, dict)] if isinstance(value, list) else []
    )
