"""A form's `fields` and `files` into what the core goes by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from bridge.config.build.written import Written
from bridge.config.schema.forms import FilesSchema
from bridge.config.schema.units import MAX_SIZE
from bridge.core.file_types import GROUPS, TYPES
from bridge.core.model import JSON
from bridge.ingest.forms.coercion import file_fields
from bridge.routing.expressions.roots import near
from bridge.routing.form import FieldRules, FileRules, Form

MIB: Final = 1024 * 1024
LARGEST_FILE: Final = 25 * MIB  # that the flow API takes
FIELDS_SHARE: Final = MIB  # of a body with files: for the fields
TYPED_BYTES: Final = 256 * 1024  # of a body without files: people type less
ANY: Final = "any"
_EXTENSION = re.compile(r"\.[a-z0-9]{1,10}")


def field_rules(written: Written) -> FieldRules:
    """Return what the source says of fields."""
    said = written.model.fields
    return (
        FieldRules()
        if said is None
        else FieldRules(max=said.max, max_length=said.max_length, nested=said.nested)
    )


def file_rules(written: Written, document: JSON) -> FileRules | None:
    """Return what the source says of files: null where it takes none. `document`: its schema, which
    may have fields that are files.
    """
    said = written.model.files
    properties = (document or {}).get("properties")
    if said is False or (
        said is None and not file_fields(properties if isinstance(properties, Mapping) else {})
    ):
        return None
    said = said if isinstance(said, FilesSchema) else FilesSchema.model_validate({})
    types, extensions = _types(written, said.types)
    if said.max_size > LARGEST_FILE:
        written.report.add(
            (*written.path, "files", "max_size"),
            "is more than the flow API takes; allowed: at most 25 MiB",
        )
    if said.keep < said.max_size:
        written.report.add(
            (*written.path, "files", "keep"),
            "is less than one file may have: allowed: at least `max_size`",
        )
    return FileRules(
        max=said.max,
        max_size=said.max_size,
        types=types,
        extensions=extensions,
        required=tuple(said.required or ()),
        keep=said.keep,
    )


def largest_body(written: Written, form: Form | None) -> int:
    """Return how large a body may be: what the source says, what a form's files may come to or
    people type, or what the provider sends.
    """
    said: Any = written.model.max_body
    if said or form is None:
        return said or written.provider.max_body
    rules = form.files
    return (
        TYPED_BYTES if rules is None else min(MAX_SIZE, rules.max * rules.max_size + FIELDS_SHARE)
    )


def _types(
    written: Written, names: tuple[str, ...]
) -> tuple[frozenset[str] | None, frozenset[str]]:
    """Return the rows of the table that are allowed, null for any, and further extensions."""
    known = set[str]()
    further = set[str]()
    for number, name in enumerate(map(str.lower, names)):
        rows = [
            row.name
            for row in TYPES.values()
            if name in (row.name, row.group) or name.removeprefix(".") in row.extensions
        ]
        if rows:
            known.update(rows)
        elif _EXTENSION.fullmatch(name):
            further.add(name[1:])
        elif name != ANY:
            choices = [*GROUPS, *TYPES, ANY]
            message = (
                f"no type `{name}`; {near(name, choices)}allowed: {', '.join(choices)}, or"
                " .EXTENSION"
            )
            written.report.add((*written.path, "files", "types", number), message)
    return (None if ANY in names else frozenset(known)), frozenset(further)
