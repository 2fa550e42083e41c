"""Validation of a submission, with a message for each field. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bridge.core import file_types
from bridge.core.errors import FieldFault, Refused
from bridge.core.file_types import FILE_GROUPS, FILE_TYPES, HTML, SVG, TEXT_TYPES, XML
from bridge.core.json_values import iterate_scalars
from bridge.core.model import JSON
from bridge.core.units import MIB
from bridge.ingest.forms.coercion import file_fields, type_fields
from bridge.ingest.forms.control_fields import split_control_fields
from bridge.ingest.forms.error_messages import field_faults
from bridge.ingest.forms.nesting import shorten_name
from bridge.ingest.forms.parser import Sent, Upload
from bridge.routing.form import FileRules, Form
from bridge.routing.schemas.validator import Validator

CODES: Final = {413: "too_large", 415: "file_type", 422: "invalid"}
FILE_WANTED: Final = FieldFault("file_wanted")
FILLED_CONTROLS: Final = ("_replyto", "replyto")  # control fields that people fill in

Fault = tuple[str, int, FieldFault]  # field, status, fault


def check(form: Form, sent: Sent) -> None:
    """Raise `Refused` if a submission is empty or invalid, with a message for each invalid field.

    The status is 413 for a value or file that is too large, 415 for a file type that is not
    allowed, and 422 for other or several faults.
    """
    if sent.uploads and form.files is None:
        raise Refused(
            415,
            "files_not_supported",
            f"this form does not accept files (field {shorten_name(sent.uploads[0].field)!r})",
        )
    if _is_empty(form, sent):
        raise Refused(422, "empty", "nothing was filled in")
    faults = [*_lengths(form, sent), *(_files(form.files, sent) if form.files is not None else ())]
    if form.schema is not None:
        faults += _by_schema(form, form.schema, sent)
    if not faults:
        return
    fields: dict[str, FieldFault] = {}
    for name, _, message in faults:
        fields.setdefault(name, message)
    statuses = {status for _, status, _ in faults}
    status = statuses.pop() if len(statuses) == 1 else 422
    raise Refused(status, CODES[status], "some fields are invalid", fields=fields)


def _is_empty(form: Form, sent: Sent) -> bool:
    """Return whether no field was filled in; pages fill in control fields."""
    fields, control = split_control_fields(sent.fields, form)
    said = [*fields.values(), *(control.get(name) for name in FILLED_CONTROLS)]
    return not sent.uploads and not any(
        text is None or text.strip() for value in said for text in _texts(value)
    )


def _texts(value: Any) -> Iterator[str | None]:
    """Yield the texts in a value, and None for each other value but null."""
    for scalar in iterate_scalars(value):
        if scalar is not None:
            yield scalar if isinstance(scalar, str) else None


def _lengths(form: Form, sent: Sent) -> Iterator[Fault]:
    max_chars = form.fields.max_length
    for name, value in sent.fields.items():
        if any(text is not None and len(text) > max_chars for text in _texts(value)):
            yield shorten_name(name), 413, FieldFault("too_long", limit=max_chars)


# -- files


def _files(rules: FileRules, sent: Sent) -> Iterator[Fault]:
    if len(sent.uploads) > rules.max:
        yield sent.uploads[rules.max].field, 413, FieldFault("too_many_files", limit=rules.max)
    for upload in sent.uploads:
        if upload.size > rules.max_size:
            yield (
                upload.field,
                413,
                FieldFault(
                    "file_too_large", limit=format_size(rules.max_size), names=(upload.name,)
                ),
            )
        elif not is_allowed(rules, sent, upload):
            yield (
                upload.field,
                415,
                FieldFault("file_type", limit=accepted_types(rules), names=(upload.name,)),
            )
    came = {upload.field for upload in sent.uploads}
    for field in rules.required:
        if field not in came:  # without that enctype, browsers send the name of the file only
            yield (
                field,
                422,
                FILE_WANTED if any(_texts(sent.fields.get(field))) else FieldFault("required"),
            )


def is_allowed(rules: FileRules, sent: Sent, upload: Upload) -> bool:
    """Return whether the types of a file, by its bytes and by its name, are both allowed."""
    if rules.types is None:
        return True
    kind = file_types.detect_type(sent.content(upload), upload.name)
    last = file_types.extension(upload.name)
    if last in rules.extensions:
        return kind not in (HTML, SVG, XML) or kind.name in rules.types
    is_named_so = not last or any(last in FILE_TYPES[name].extensions for name in rules.types)
    return is_named_so and (
        kind.name in rules.types or (kind in TEXT_TYPES and "txt" in rules.types)
    )


def extensions(rules: FileRules) -> list[str]:
    """Return the allowed file extensions in the order of the table; empty if all are allowed."""
    type_extensions = [
        extension
        for name, row in FILE_TYPES.items()
        if rules.types is not None and name in rules.types
        for extension in row.extensions
    ]
    return [*type_extensions, *sorted(rules.extensions)]


def accepted_types(rules: FileRules) -> tuple[str, ...]:
    """Return the allowed file types for a message.

    They are groups that are allowed completely (`image`), and extensions of others (`.csv`).
    """
    allowed = rules.types or frozenset()
    labels: list[str] = []
    for group in (*FILE_GROUPS, ""):
        rows = [row for row in FILE_TYPES.values() if row.group == group]
        if group and all(row.name in allowed for row in rows):
            labels.append(group)
        else:
            labels += [f".{row.extensions[0]}" for row in rows if row.name in allowed]
    return (*labels, *(f".{extension}" for extension in sorted(rules.extensions)))


def format_size(bytes_: int) -> str:
    """Return a size with a unit."""
    return (
        f"{bytes_ / MIB:.3g} MiB"
        if bytes_ >= MIB
        else f"{bytes_ / 1024:.3g} KiB"
        if bytes_ >= 1024
        else f"{bytes_} bytes"
    )


# -- the schema


def _by_schema(form: Form, schema: Validator, sent: Sent) -> Iterator[Fault]:
    """Yield the faults of the schema, for which a file is its name.

    A text is never accepted as a file: it could be the name of another sender's file.
    """
    fields = {
        name: _named(value) for name, value in split_control_fields(sent.fields, form)[0].items()
    }
    for name in [
        name
        for name in file_fields(form.properties)
        if name in fields and not _is_file(sent.fields[name])
    ]:
        if fields.pop(name) != "":
            yield name, 422, FILE_WANTED
    yield from (
        (name, 422, message)
        for name, message in field_faults(
            type_fields(fields, form.schema_document or {}), schema
        ).items()
    )


def _is_file(value: Any) -> bool:
    return all(
        isinstance(element, Upload) for element in (value if isinstance(value, list) else [value])
    )


def _named(value: Any) -> JSON:
    if isinstance(value, Upload):
        return value.name
    if isinstance(value, list):
        return [_named(element) for element in value]
    return (
        {name: _named(member) for name, member in value.items()}
        if isinstance(value, dict)
        else value
    )
