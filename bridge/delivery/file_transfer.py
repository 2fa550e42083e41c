"""Transfer of a form's files to the platform of the delivery's flow. Pure.

The frozen inputs hold the record of a file (a `FormFile`, as an object), not its bytes. When the
call is built, each record is replaced by the platform's reference to the file, and each mark that
`file_url` made is replaced by a link. Only records of the event's own files are replaced: an object
that a sender made to look like one is not.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from math import ceil
from typing import Any, Final

from bridge.core.http_messages import Answer, Call, NoAnswer
from bridge.core.json_values import iterate_scalars
from bridge.core.model import JSON, Delivery, FormFile
from bridge.core.status import Outcome, OutcomeKind
from bridge.delivery.platforms.registry import PLATFORMS
from bridge.routing.functions.files import MARK_PATTERN, MARK_PREFIX
from bridge.routing.model import Platform

MIN_START_SECONDS: Final = 1.0  # seconds that must be left for the start
_UPLOADED: Final = re.compile(r"^evt_[0-9a-z]{26}-[0-9]+-(?=.)")
NO_PUBLIC_URL: Final = (
    "links to files need the public URL of this flowbridge: set FLOWBRIDGE_PUBLIC_URL"
)
_FILE_KEYS: Final = frozenset(field.name for field in fields(FormFile))

#: makes a call within the time that its caller has set
Send = Callable[[Call], Answer | NoAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTransfer:
    """Access to the files of a delivery's event while its start is built.

    `files`: the files that its inputs refer to, by their number among the event's files. `content`:
    returns the bytes of a file, None if they are not on this machine. `link`: makes a URL from
    (event id, number, expiry), None without a public URL. `left`: returns the seconds that remain
    for the call. `uploaded`: the names of files that a platform already has.
    """

    files: Mapping[int, FormFile]
    content: Callable[[FormFile], bytes | None]
    link: Callable[[str, int, float], str] | None
    left: Callable[[], float]
    uploaded: MutableMapping[tuple[str, str], str]


def may_refer_to_files(inputs: JSON) -> bool:
    """Return whether the inputs contain a file record or a mark for a link."""
    waiting = [inputs]
    while waiting:  # every delivery passes here, so once through the inputs
        value = waiting.pop()
        if isinstance(value, str):
            if MARK_PREFIX in value:
                return True
        elif isinstance(value, dict):
            if value.keys() == _FILE_KEYS:
                return True
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return False


def has_links(inputs: JSON) -> bool:
    """Return whether the inputs contain a mark for a link."""
    return any(
        isinstance(scalar, str) and MARK_PREFIX in scalar for scalar in iterate_scalars(inputs)
    )


def find_referenced_files(inputs: JSON, files: Sequence[FormFile]) -> dict[int, FormFile]:
    """Return the files that the inputs refer to."""
    identities = {_identity(record) for record in _file_objects(inputs)}
    return {
        number: file for number, file in enumerate(files) if _identity(asdict(file)) in identities
    }


def transfer_files(
    delivery: Delivery, platform: Platform, send: Send, now: float, hands: FileTransfer
) -> Delivery | Outcome:
    """Return the delivery with its files replaced for the platform, or the outcome of a failure.

    After a failure nothing was started. Uploads come before the start and share its timeout: a
    start after the deadline of its attempt would be outside the window in which reconciliation
    searches for its run.
    """
    values: dict[Any, JSON] = {}
    for number, file in hands.files.items():
        value = _transfer_file(delivery, platform, number, file, send, now, hands)
        if isinstance(value, Outcome):
            return value
        values[_identity(asdict(file))] = value
    if hands.left() < MIN_START_SECONDS:
        return _refused(
            "transferring the files left no time for the start: increase the platform's `timeout`"
        )
    inputs = _replace_files(delivery.inputs, values)
    if has_links(inputs):
        if hands.link is None:
            return _refused(NO_PUBLIC_URL)
        inputs = _insert_links(
            inputs, delivery, link_expiry(delivery.created_at, now, platform.file_links), hands.link
        )
    return replace(delivery, inputs=inputs)


def uploaded_name(event_id: str, number: int, file: FormFile) -> str:
    """Return the name of an uploaded file on the platform: unique, and the same for each upload.

    `number`: its place among the event's files.
    """
    return f"{event_id}-{number + 1}-{file.name}"


def original_name(uploaded: str) -> str:
    """Return the sender's name of a file from `uploaded_name`; any other name unchanged."""
    return _UPLOADED.sub("", uploaded)


def link_expiry(created_at: float, now: float, lasts: float) -> float:
    """Return the expiry of a link: between `lasts` and 1.5 × `lasts` seconds from now.

    It is computed from the time of planning, so that all calls of a delivery are the same.
    """
    step = lasts / 2
    return created_at + step * max(ceil((now + lasts - created_at) / step), 3)


def _transfer_file(
    delivery: Delivery,
    platform: Platform,
    number: int,
    file: FormFile,
    send: Send,
    now: float,
    hands: FileTransfer,
) -> JSON | Outcome:
    if PLATFORMS[platform.type].upload is not None:
        return _upload(delivery, platform, number, file, send, now, hands)
    if platform.files == "link":
        if hands.link is None:
            return _refused(NO_PUBLIC_URL)
        until = link_expiry(delivery.created_at, now, platform.file_links)
        expires = (
            datetime.fromtimestamp(until, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        )
        return asdict(file) | {
            "url": hands.link(delivery.event_id, number, until),
            "expires_at": expires,
        }
    content = hands.content(file)
    return (
        _missing_file(file)
        if content is None
        else asdict(file) | {"content": b64encode(content).decode()}
    )


def _upload(
    delivery: Delivery,
    platform: Platform,
    number: int,
    file: FormFile,
    send: Send,
    now: float,
    hands: FileTransfer,
) -> str | Outcome:
    question = PLATFORMS[platform.type].upload
    name = uploaded_name(delivery.event_id, number, file)
    if uploaded := hands.uploaded.get((platform.name, name)):
        return uploaded
    content = hands.content(file)
    if content is None or question is None:
        return _missing_file(file)
    if hands.left() < MIN_START_SECONDS:
        return _refused(
            f"no time was left to upload {file.name}: increase the platform's `timeout`"
        )
    answer = send(question.build(platform, name, content))
    if isinstance(answer, NoAnswer):
        return Outcome(
            kind=OutcomeKind.REFUSED, detail=f"{file.name} was not uploaded: {answer.reason}"
        )
    report = question.read(answer, now)
    if isinstance(report, Outcome):
        # Nothing was started, whatever the status. A failed upload does not count for the circuit,
        # except a 401.
        kind = (
            report.kind
            if report.kind in (OutcomeKind.REJECTED, OutcomeKind.UNAUTHORIZED)
            else OutcomeKind.REFUSED
        )
        ours = kind is not OutcomeKind.UNAUTHORIZED
        return replace(
            report, kind=kind, detail=f"{file.name} was not uploaded: {report.detail}", ours=ours
        )
    hands.uploaded[platform.name, name] = report
    return report


def _refused(detail: str) -> Outcome:
    return Outcome(kind=OutcomeKind.REFUSED, detail=detail, ours=True)


def _missing_file(file: FormFile) -> Outcome:
    return _refused(f"the bytes of {file.name} are not in the data folder of this machine")


# -- objects that are files


def _file_objects(value: JSON) -> Iterator[dict[str, JSON]]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if part.keys() == _FILE_KEYS:
                yield part
            else:
                waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _identity(value: dict[str, JSON]) -> Any:
    """Return a hashable key of a file record: all its fields."""
    return tuple((key, type(value[key]), str(value[key])) for key in sorted(_FILE_KEYS))


def _replace_files(value: JSON, values: Mapping[Any, JSON]) -> JSON:
    if isinstance(value, dict):
        if value.keys() == _FILE_KEYS and (identity := _identity(value)) in values:
            return values[identity]
        return {key: _replace_files(member, values) for key, member in value.items()}
    return (
        [_replace_files(member, values) for member in value] if isinstance(value, list) else value
    )


# -- marks that are links


def _insert_links(
    value: JSON, delivery: Delivery, until: float, link: Callable[[str, int, float], str]
) -> JSON:
    """Return the inputs with a link for each mark of the delivery's own event."""

    def of(mark: re.Match[str]) -> str:
        return (
            link(delivery.event_id, int(mark[2]), until)
            if mark[1] == delivery.event_id
            else mark[0]
        )

    def linked(part: JSON) -> JSON:
        if isinstance(part, str):
            return MARK_PATTERN.sub(of, part)
        if isinstance(part, dict):
            return {key: linked(member) for key, member in part.items()}
        return [linked(member) for member in part] if isinstance(part, list) else part

    return linked(value)
