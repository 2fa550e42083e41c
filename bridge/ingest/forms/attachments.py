"""Files of a submission: stored beside the event, whose body has no bytes of them. Pure.

In the body a file is replaced by its size and digest, so that parsing it again gives the same
result: the nth file in the body is the nth of the event's files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from bridge.core import file_types
from bridge.core.errors import Refused
from bridge.core.model import JSON, Body, FormFile
from bridge.ingest.forms.coercion import type_fields
from bridge.ingest.forms.control_fields import split_control_fields
from bridge.ingest.forms.parser import Sent, Upload, read
from bridge.routing.form import Form

KeepFile = Callable[[memoryview], str]  # stores bytes on disk and returns their SHA-256


def digest(content: memoryview) -> str:
    """Return the SHA-256 of a file, without storing it."""
    return hashlib.sha256(content).hexdigest()


def take(form: Form, sent: Sent) -> tuple[bytes, Body]:
    """Return the body without the bytes of the files, and the parsed submission."""
    files = tuple(_known(sent, upload) for upload in sent.uploads)
    return _without(sent, files), _said(form, sent, files)


def keep(sent: Sent, keep_file: KeepFile) -> None:
    """Store the files. Raises what `keep_file` raises."""
    for upload in sent.uploads:
        keep_file(sent.content(upload))


def _known(sent: Sent, upload: Upload) -> FormFile:
    content = sent.content(upload)
    kind = file_types.detect_type(content, upload.name)
    return FormFile(
        field=upload.field,
        name=upload.name,
        type=kind.media,
        size=upload.size,
        sha256=digest(content),
    )


def _without(sent: Sent, files: Sequence[FormFile]) -> bytes:
    if not files:
        return sent.raw
    pieces = []
    place = 0
    for upload, file in zip(sent.uploads, files, strict=True):
        pieces += [
            sent.raw[place : upload.begin],
            f"({file.size} bytes, sha256 {file.sha256})".encode(),
        ]
        place = upload.end
    return b"".join([*pieces, sent.raw[place:]])


def body_of(
    form: Form, content_type: str, raw: bytes, files: Sequence[FormFile], *, max_depth: int
) -> Body:
    """Parse a stored body, which does not contain the bytes of `files`."""
    try:
        sent = read(form, content_type, raw, max_depth=max_depth)
    except Refused as refused:
        return Body(problem=refused.message)
    return _said(form, sent, files)


def _said(form: Form, sent: Sent, files: Sequence[FormFile]) -> Body:
    """Return the parsed body: fields typed by the form's schema, `form` without control fields."""
    fields, control = split_control_fields(_placed(sent.fields, files), form)
    fields = type_fields(fields, form.schema_document or {})
    return Body(value=fields | control, form=fields, files=tuple(files))


def read_returned_fields(form: Form, sent: Sent) -> tuple[dict[str, JSON], tuple[str, ...]]:
    """Return the fields of a form that is returned for correction, and the names of file fields."""
    return _said(form, sent, ()).value, tuple(upload.field for upload in sent.uploads)


def _placed(value: Any, files: Sequence[FormFile]) -> JSON:
    """Replace each file in the fields by its record; leave out files that are not stored."""
    if isinstance(value, Upload):
        return asdict(files[value.number]) if value.number < len(files) else None
    if isinstance(value, list):
        return [_placed(element, files) for element in value if not _is_gone(element, files)]
    if isinstance(value, dict):
        return {
            name: _placed(member, files)
            for name, member in value.items()
            if not _is_gone(member, files)
        }
    return value


def _is_gone(value: Any, files: Sequence[FormFile]) -> bool:
    return isinstance(value, Upload) and value.number >= len(files)
