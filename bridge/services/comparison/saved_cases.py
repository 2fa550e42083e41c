"""Cases: events saved as files with the deliveries that are expected, for tests without a database.

A case has no signature and no value at `redact`, so that it can be committed to a repository.
"""

from __future__ import annotations

import json
import os
import shlex
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import BridgeError
from bridge.core.model import JSON, Event, FormFile
from bridge.core.retention import is_content_deleted
from bridge.core.units import iso, parse_iso
from bridge.ingest.plan_comparison import plan_event
from bridge.ingest.planned_deliveries import (
    EventComparison,
    Incomparable,
    PlannedDelivery,
    compare_plans,
)
from bridge.ingest.redaction import redact_copy

if TYPE_CHECKING:
    from bridge.routing.model import Config
    from bridge.store.queries.recorded_events import UnreadableEvent

CASE_VERSION: Final = 1
MAX_CASES: Final = 10_000
MAX_CASE_BYTES: Final = 16 * 1024 * 1024
CASE_ENDING: Final = ".json"
#: Parts of the names of headers that are not saved: credentials, and addresses of callers.
LEFT_OUT_HEADER_PARTS: Final = (
    *("signature", "hmac", "token", "secret", "authorization", "cookie", "api-key"),
    *("forwarded", "real-ip", "client-ip", "connecting-ip"),
)
_TEXTS: Final = ("id", "source", "provider", "received_at", "query_string")
_EXPECTED_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "route": (str,),
    "status": (str,),
    "flow": (str,),
    "inputs": (object,),
    "reason": (str, type(None)),
    "whole_body": (bool,),
    "order": (dict, type(None)),
    "debounce": (str, type(None)),
}


@dataclass(frozen=True, slots=True)
class SavedCase:
    """A case: the event and the deliveries that are expected of it."""

    event: Event
    expected: Sequence[PlannedDelivery]


def make_case(event: Event | UnreadableEvent, config: Config) -> SavedCase:
    """Return the case of a stored event, with the deliveries that the configuration plans.

    Raises `BridgeError` where the event cannot be read or planned, or has no body any more.
    """
    if not isinstance(event, Event):
        raise BridgeError(f"{event.id} cannot be a case: {event.problem}")
    source = config.source(event.source)
    problem = (
        "it is marked as spam"
        if event.spam is not None
        else "its body was deleted"
        if is_content_deleted(event)
        else f"routes.yaml has no source {event.source!r}"
        if source is None
        else None
    )
    if problem is not None or source is None:
        raise BridgeError(f"{event.id} cannot be a case: {problem}")
    made = read_case(json.loads(_write_event(redact_copy(event, source))))
    return SavedCase(made.event, plan_event(made.event, config))


def save_case(case: SavedCase, folder: Path) -> Path:
    """Write a case to a folder, which is created, and return its file.

    An earlier case of the same event is replaced. Raises `BridgeError` where it cannot be written.
    """
    document = json.loads(_write_event(case.event))
    document["expected"] = [asdict(delivery) for delivery in case.expected]
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) > MAX_CASE_BYTES:
        raise BridgeError(
            f"{case.event.id} cannot be a case: it has {len(raw)} bytes, at most {MAX_CASE_BYTES}"
            " are allowed"
        )
    file = folder / f"{case.event.id}{CASE_ENDING}"
    new = file.with_name(f".{file.name}.new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(new, flags, 0o600), "wb") as opened:
            opened.write(raw)
        new.replace(file)
    except OSError as error:
        raise BridgeError(f"cannot write to {folder}: {error.strerror}") from error
    return file


def list_cases(folder: Path) -> list[Path]:
    """Return the files of the cases in a folder, by name. `BridgeError` where there is none."""
    try:
        files = sorted(file for file in folder.iterdir() if file.name.endswith(CASE_ENDING))
    except OSError as error:
        raise BridgeError(f"cannot read the folder {folder}: {error.strerror}") from error
    if not files:
        raise BridgeError(
            f"{folder} has no cases: `flowbridge test --save {shlex.quote(str(folder))} EVENT`"
            " writes one"
        )
    if len(files) > MAX_CASES:
        raise BridgeError(f"{folder} has {len(files)} files; at most {MAX_CASES} can be tested")
    return files


def compare_cases(files: Sequence[Path], config: Config) -> Iterator[EventComparison]:
    """Yield the comparison of each case with what the configuration plans.

    Raises `BridgeError` for a file that is no case.
    """
    for file in files:
        case = load_case(file)
        try:
            planned = plan_event(case.event, config)
        except Exception:  # as in `receive`: a bug must not stop the others
            yield EventComparison(case.event.id, incomparable=Incomparable.FAULT)
            continue
        yield compare_plans(case.event.id, case.expected, planned)


def read_case_events(files: Sequence[Path]) -> Callable[[Sequence[str]], Iterator[Event]]:
    """Return the function that reads the events of cases by their ids, in their order."""

    def read(ids: Sequence[str]) -> Iterator[Event]:
        left = list(ids)
        for file in files:
            if not left:
                return
            event = load_case(file).event
            if event.id == left[0]:
                left.pop(0)
                yield event

    return read


def load_case(file: Path) -> SavedCase:
    """Read the case of a file. Raises `BridgeError` with the file where it is none."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_CASE_BYTES + 1)
        if len(raw) > MAX_CASE_BYTES:
            raise ValueError(f"it has more than {MAX_CASE_BYTES} bytes")
        return read_case(json.loads(raw))
    except OSError as error:
        raise BridgeError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BridgeError(f"{file} is no case: {error or 'it is nested too deep'}") from None


def read_case(document: JSON) -> SavedCase:
    """Return the case of a document. Raises `ValueError` with what is wrong."""
    if not isinstance(document, dict) or document.get("version") != CASE_VERSION:
        raise ValueError(f"it needs `version: {CASE_VERSION}` (`flowbridge test --save` writes it)")
    unknown = sorted(document.keys() - {"version", "event", "expected"})
    expected = document.get("expected", [])
    if unknown or not isinstance(expected, list):
        raise ValueError(
            f"unknown key {unknown[0]!r}; allowed: version, event, expected"
            if unknown
            else "`expected` must be a list of deliveries"
        )
    event = _read_event(document.get("event"))
    return SavedCase(event, [_read_expected(at, value) for at, value in enumerate(expected)])


def _read_event(value: JSON) -> Event:
    if not isinstance(value, dict):
        raise ValueError("`event` must be an object")
    for name in _TEXTS:
        if not isinstance(value.get(name), str):
            raise ValueError(f"event.{name} must be text")
    headers = value.get("headers")
    if not isinstance(headers, dict) or not all(
        isinstance(header, str) for header in headers.values()
    ):
        raise ValueError("event.headers must be an object of texts")
    received_at = parse_iso(value["received_at"])
    if received_at is None:
        raise ValueError("event.received_at must be a time in ISO 8601")
    body = _read_body(value)
    files = value.get("files") or []
    if not isinstance(files, list):
        raise ValueError("event.files must be a list")
    return Event(
        id=value["id"],
        source=value["source"],
        provider=value["provider"],
        type=_optional_text(value, "type"),
        provider_id=_optional_text(value, "provider_id"),
        received_at=received_at,
        headers=headers,
        query_string=value["query_string"],
        body=body,
        body_sha256=sha256(body).hexdigest(),
        config_hash="",
        files=tuple(_read_file(file) for file in files),
    )


def _read_body(value: Mapping[str, JSON]) -> bytes:
    text = value.get("body")
    encoded = value.get("body_base64")
    if isinstance(text, str) and encoded is None:
        return text.encode()
    if isinstance(encoded, str) and text is None:
        return b64decode(encoded, validate=True)
    raise ValueError("event needs either `body`, a text, or `body_base64`")


def _read_file(value: JSON) -> FormFile:
    try:
        return FormFile(**value)
    except TypeError:
        names = ", ".join(field.name for field in fields(FormFile))
        raise ValueError(f"each of event.files needs exactly: {names}") from None


def _read_expected(at: int, value: JSON) -> PlannedDelivery:
    if not isinstance(value, dict) or value.keys() != _EXPECTED_TYPES.keys():
        raise ValueError(f"expected[{at}] needs exactly: {', '.join(_EXPECTED_TYPES)}")
    for name, allowed in _EXPECTED_TYPES.items():
        if not isinstance(value[name], allowed):
            words = " or ".join("null" if kind is type(None) else kind.__name__ for kind in allowed)
            raise ValueError(f"expected[{at}].{name} must be {words}")
    return PlannedDelivery(**value)


def _optional_text(value: Mapping[str, JSON], name: str) -> str | None:
    text = value.get(name)
    if text is not None and not isinstance(text, str):
        raise ValueError(f"event.{name} must be text or null")
    return text


def _write_event(event: Event) -> str:
    """Return the JSON of a case without expectations."""
    try:
        body: dict[str, Any] = {"body": event.body.decode()}
    except UnicodeDecodeError:
        body = {"body_base64": b64encode(event.body).decode()}
    headers = {
        name: value
        for name, value in event.headers.items()
        if not any(part in name for part in LEFT_OUT_HEADER_PARTS)
    }
    written = {
        "id": event.id,
        "source": event.source,
        "provider": event.provider,
        "type": event.type,
        "provider_id": event.provider_id,
        "received_at": iso(event.received_at),
        "headers": headers,
        "query_string": event.query_string,
        **body,
        "files": [asdict(file) for file in event.files],
    }
    return json.dumps({"version": CASE_VERSION, "event": written})
