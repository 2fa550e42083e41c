"""Downloads of forms: their submissions as CSV or NDJSON, and the files of an event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from bridge.api.parameters import Parameter, filter_parameters
from bridge.api.resources.audit import describe_export
from bridge.api.selection import find_event
from bridge.core.audit import AuditAction
from bridge.core.json_values import write_json
from bridge.core.units import MIB
from bridge.services import audit
from bridge.services.exports import SubmissionList, read_table
from bridge.services.form_inbox import select_download
from bridge.services.records.submission_records import SUBMISSION
from bridge.store.blobs import BlobStore
from bridge.web.admin import limits
from bridge.web.console.console_request import ConsoleRequest
from bridge.web.console.failures import refuse
from bridge.web.console.file_answers import make_download
from bridge.web.console.links import make_link
from bridge.web.console.views.forms import TEXT, make_inbox_filters, read_form_name
from bridge.web.downloads import send_file, send_preview

MAX_DOWNLOAD_BYTES: Final = 16 * MIB  # of submissions
MAX_NUMBER_DIGITS: Final = 6
LOCK: Final = "console export"  # one at a time on a machine
MEDIA_TYPES: Final = {"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson"}
KIND: Final = Parameter(name="as", doc="The format.", allowed=tuple(MEDIA_TYPES), default="csv")
_RETRY: Final = {"Retry-After": str(limits.STREAM_RETRY_SECONDS)}
_FILTERS: Final = ("status", "reason", "since", "until", "spam")
PARAMETERS: Final = (
    KIND,
    TEXT,
    *(parameter for parameter in filter_parameters(of_events=True) if parameter.name in _FILTERS),
)


def export_submissions(console_request: ConsoleRequest) -> Response:
    """Return the submissions of a form as a file, oldest first, and record the export.

    The file is whole before it is sent, so that a failure is an error page and no part of a file.
    """
    name = read_form_name(console_request)
    request = console_request.ask(PARAMETERS)
    values = dict(request.values)
    kind = values.pop(KIND.name)
    is_spam = bool(values.pop("spam"))
    filters = make_inbox_filters(
        console_request.context, replace(request, values=values), name, is_spam=is_spam
    )
    context = console_request.context
    with context.locks.hold(LOCK) as is_held:
        if not is_held:
            raise refuse(503, "Another export is being written.", _RETRY)
        submissions = select_download(context.database, context.config().sources, filters)
        content = _join(_list_records(kind, submissions))
        subject = describe_export(f"/forms/{name}/export", PARAMETERS, request.texts)
        audit.record(context.database, AuditAction.EXPORTED, request.by, subject)
    return make_download(content, f"{name}.{kind}", MEDIA_TYPES[kind])


def download_file(console_request: ConsoleRequest) -> Response:
    """Return a file of an event as a download, or with `preview` as a picture that we render.

    A download is recorded. Without a number it leads to the event.
    """
    event = find_event(console_request.context, console_request.ask()).event
    number = next(iter(console_request.given.get("number", ())), None)
    if number is None:
        return redirect(make_link(f"/events/{event.id}"), 303)
    is_number = number.isascii() and number.isdigit() and len(number) <= MAX_NUMBER_DIGITS
    if not is_number or int(number) >= len(event.files):
        raise refuse(404, f"{event.id} has no such file.")
    file = event.files[int(number)]
    settings = console_request.context.settings
    blobs = BlobStore.of(settings)
    try:
        if "preview" in console_request.given:
            with console_request.context.seats.leave():
                return send_preview(blobs, file, settings.timings.preview_seconds)
        response = send_file(blobs, file, console_request.http.environ)
    except OSError:
        raise refuse(404, "The bytes of this file are not in this data folder.") from None
    subject = f"file {file.sha256} of {event.id}"
    audit.record(
        console_request.context.database, AuditAction.DOWNLOADED, console_request.ask().by, subject
    )
    return response


def _list_records(kind: str, submissions: SubmissionList) -> Iterator[bytes]:
    if kind == "csv":
        return read_table(submissions).csv_records()
    return (write_json(SUBMISSION.write(submission)) + b"\n" for submission in submissions)


def _join(records: Iterable[bytes]) -> bytes:
    content = bytearray()
    for record in records:
        content += record
        if len(content) > MAX_DOWNLOAD_BYTES:
            raise refuse(
                400,
                f"The file would have more than {MAX_DOWNLOAD_BYTES // MIB} MiB. Use narrower"
                " filters, or `flowbridge export`, which has no limit.",
            )
    return bytes(content)
