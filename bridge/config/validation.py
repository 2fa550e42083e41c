"""Validates the document with its models, and keeps its valid parts."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any, Final, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from bridge.config.problems import Path, Report
from bridge.config.schema.document import DocumentSchema
from bridge.config.schema.field_types import RetentionOf
from bridge.config.schema.forms import FilesSchema, SpamSchema
from bridge.config.schema.platforms import FlowSchema, PlatformSchema
from bridge.config.schema.routes import RouteSchema
from bridge.config.schema.sources import SourceSchema
from bridge.config.valid_document import DeclaredKeys, ValidDocument
from bridge.config.validation_errors import report_error, value_at

#: Parts of a source whose keys are validated one by one.
SOURCE_PARTS: Final = frozenset({"spam", "page", "fields", "files"})


def validate_document(data: dict[str, Any], report: Report) -> ValidDocument:
    """Return the valid parts of the document, and report the problems of the others.

    Invalid keys are removed from their part, so that its other problems are found too.
    """
    try:
        DocumentSchema.model_validate(data)
        complete = True
    except ValidationError as error:
        complete = False
        data = copy.deepcopy(data)
        noted = [report_error(each, data, report) for each in error.errors(include_url=False)]
        bad = {_removed_key(path) for path in noted}
        for path in bad | {path for path in report.settled if len(path) == 3}:
            part = value_at(data, path[:-1])
            if len(path) > 2 and isinstance(part, dict):
                part.pop(str(path[-1]), None)
        report.settled |= bad
    return ValidDocument(
        _keep_valid(PlatformSchema, data.get("platforms")),
        _keep_valid(SourceSchema, data.get("sources")),
        _keep_valid(FlowSchema, data.get("flows")),
        list(_keep_valid(RouteSchema, data.get("routes")).items()),
        (
            _keep_valid(RetentionOf, [data.get("retention")]).get(0) or {}
            if data.get("retention") is not None
            else {}
        ),
        cast("SpamSchema", _without_library(SpamSchema.model_validate({}))),
        cast("FilesSchema", _without_library(FilesSchema.model_validate({}))),
        complete,
    )


def _removed_key(path: Path) -> Path:
    """Return the path of the key to remove for a problem at `path`.

    It is a key of a platform, source, flow or route, or of a part of a source with its own keys.
    """
    return path[: 4 if path[:1] == ("sources",) and path[2:3] and path[2] in SOURCE_PARTS else 3]


def _keep_valid(kind: Any, section: Any) -> dict[Any, Any]:
    adapter = TypeAdapter(kind)
    parts = (
        section.items()
        if isinstance(section, dict)
        else enumerate(section)
        if isinstance(section, list)
        else ()
    )
    typed = {}
    for name, part in parts:
        with suppress(ValidationError):  # reported already
            typed[name] = _without_library(adapter.validate_python(part))
    return typed


def _without_library(value: Any) -> Any:
    """Return a model as `DeclaredKeys`, and a list of models as a list of these."""
    if isinstance(value, list):
        return list(map(_without_library, value))
    if not isinstance(value, BaseModel):
        return value
    values = {name: _without_library(getattr(value, name)) for name in type(value).model_fields}
    return DeclaredKeys(values, frozenset(value.model_fields_set))
