"""Validates the document with its models, keeps its valid parts, and reports pydantic's errors in
plain words: what was found, and what is allowed.
"""

from __future__ import annotations

import copy
import re
from contextlib import suppress
from difflib import get_close_matches
from typing import Any, Final, cast, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from bridge.config.problems import Path, Report, describe_type
from bridge.config.schema.document import UNAVAILABLE_KEYS, DocumentSchema
from bridge.config.schema.field_types import RetentionOf
from bridge.config.schema.forms import (
    CaptchaSchema,
    FieldsSchema,
    FilesSchema,
    PageSchema,
    SpamSchema,
)
from bridge.config.schema.platforms import FlowSchema, LocalKeySchema, LocalSchema, PlatformSchema
from bridge.config.schema.routes import DebounceSchema, RetrySchema, RouteSchema
from bridge.config.schema.sources import (
    DatedSecretSchema,
    SourceSchema,
    TimestampSchema,
    VerifySchema,
)
from bridge.config.valid_document import DeclaredKeys, ValidDocument
from bridge.core.typos import suggest

MAX_KEYS_LISTED: Final = 12  # keys that a message lists; of more it names the nearest
MAX_KEYS_NAMED: Final = 5
UNION_TAGS: Final = ("plain", "dated", "yes", "which")
_SECRET_KEYS: Final = frozenset({"secret", "secrets", "api_key", "headers", "keys"})
_TYPE_NAMES: Final = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "a list",
}
_SECTION_MODELS: Final[dict[str, Any]] = {
    "sources": SourceSchema,
    "flows": FlowSchema,
    "routes": RouteSchema,
}


def report_error(error: Any, data: Any, report: Report) -> Path:
    """Report one of the errors of a `ValidationError`, and return the path of its value."""
    path = _plain_path(error["loc"], data)
    kind = error["type"]
    context = error.get("ctx", {})
    value = value_at(data, path)
    if kind == "extra_forbidden":
        report.add(path, _describe_unknown_key(path, data), key=True)
    elif kind == "missing":
        report.add(path, f"`{path[-1]}` is missing")
    elif kind in ("union_tag_not_found", "union_tag_invalid"):
        allowed = str(context.get("expected_tags", "gumloop, local, http")).replace("'", "")
        tag = value.get("type") if isinstance(value, dict) else None
        if tag is None:
            report.add(
                (*path, "type"),
                (
                    f"`type` is missing; allowed: {allowed}"
                    if isinstance(value, dict)
                    else f"needs a mapping, found {describe_type(value)}"
                ),
            )
        else:
            path = (*path, "type")
            report.add(
                path,
                f"found {_show_value(tag, path, report)};"
                f" {suggest(tag, allowed.split(', '))}allowed: {allowed}",
            )
    elif kind == "literal_error":
        allowed = context["expected"].replace("'", "").replace(" or ", ", ")
        report.add(
            path,
            f"found {_show_value(value, path, report)};"
            f" {suggest(value, allowed.split(', '))}allowed: {allowed}",
        )
    elif kind == "value_error":
        message = str(context.get("error", error["msg"]))
        message = (
            "the value from the environment or a file cannot be used here"
            if report.is_filled(path)
            else message
        )
        report.add(
            path,
            (
                message
                if "; allowed" in message
                else f"{message}, found {_show_value(value, path, report)}"
            ),
        )
    elif kind in _TYPE_NAMES:
        report.add(path, f"needs {_TYPE_NAMES[kind]}, found {_show_value(value, path, report)}")
    else:
        report.add(
            path,
            f"{_describe_limit(kind, context) or error['msg']},"
            f" found {_show_value(value, path, report)}",
        )
    return path


def _describe_limit(kind: str, context: dict[str, Any]) -> str:
    match kind:
        case "greater_than_equal" | "greater_than":
            return (
                f"must be {'at least' if kind == 'greater_than_equal' else 'more than'}"
                f" {next(iter(context.values()))}"
            )
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "string_too_short":
            return "must not be empty"
        case "too_short" | "too_long":
            limit = context.get("max_length")
            return (
                f"needs at most {limit} entries"
                if kind == "too_long"
                else "needs at least one entry"
            )
    return ""


def _plain_path(loc: tuple[str | int, ...], data: Any) -> Path:
    """Return pydantic's `loc` without the tags of unions, which it puts between the keys."""
    path: list[str | int] = []
    for index, step in enumerate(loc):
        inside = (isinstance(data, dict) and step in data) or (
            isinstance(data, list) and isinstance(step, int) and step < len(data)
        )
        if inside:
            path.append(step)
            data = data[step]
        elif (
            index == len(loc) - 1
            and step != "[key]"
            and isinstance(data, dict)
            and step not in UNION_TAGS
        ):
            path.append(step)
    return tuple(path)


def value_at(data: Any, path: Path) -> Any:
    """Return the value at a path; None if there is none."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(str(step))
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def _show_value(value: Any, path: Path, report: Report) -> str:
    """Return a short value as text; of a long one, or a possible secret, only the type."""
    if report.is_filled(path) or _SECRET_KEYS.intersection(path[2:3]):
        return describe_type(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9.]{1,20}", value):
        return f"the text `{value}`"
    if isinstance(value, str) and len(value) <= 40 and re.fullmatch(r"[^\r\n]*", value):
        return f"`{value}`"
    if isinstance(value, (int, float)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return describe_type(value)


def _describe_unknown_key(path: Path, data: Any) -> str:
    section = str(path[0])
    key = str(path[-1])
    depth = 3 if section != "version" else 1
    if len(path) == depth and key in UNAVAILABLE_KEYS.get(section, ()):
        return f"`{key}` is not available in this version"
    allowed = _allowed_keys(path, data)
    if len(allowed) <= MAX_KEYS_LISTED:
        return f"unknown key `{key}`; {suggest(key, allowed)}allowed: {', '.join(allowed)}"
    if hint := suggest(key, allowed):
        return f"unknown key `{key}`; {hint.strip()}"
    alike = (
        get_close_matches(key, allowed, n=MAX_KEYS_NAMED, cutoff=0)
        or sorted(allowed)[:MAX_KEYS_NAMED]
    )
    return (
        f"unknown key `{key}`; the nearest of {len(allowed)} keys: {', '.join(alike)} (`flowbridge"
        " schema` has them all)"
    )


def _allowed_keys(path: Path, data: Any) -> list[str]:
    """Return the keys that are allowed beside the last step of `path`."""
    model: Any = DocumentSchema
    for index, step in enumerate(path[:-1]):
        if index == 0 and step == "platforms" and len(path) > 2:
            kind = value_at(data, path[:2])
            model = next(
                (
                    schema
                    for schema in get_args(get_args(PlatformSchema)[0])
                    if isinstance(kind, dict)
                    and get_args(schema.model_fields["type"].annotation)[0] == kind.get("type")
                ),
                LocalSchema,
            )
        elif index == 0 and step in _SECTION_MODELS:
            model = _SECTION_MODELS[str(step)]
        elif index >= 2:
            model = _nested_model(model, str(step)) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _nested_model(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    names: dict[str, type[BaseModel]] = {
        "verify": VerifySchema,
        "timestamp": TimestampSchema,
        "retry": RetrySchema,
        "debounce": DebounceSchema,
        "secret": DatedSecretSchema,
        "secrets": DatedSecretSchema,
        "keys": LocalKeySchema,
        "spam": SpamSchema,
        "captcha": CaptchaSchema,
        "page": PageSchema,
        "fields": FieldsSchema,
        "files": FilesSchema,
    }
    return names.get(key) if key in model.model_fields else None


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
        noted = [report_error(detail, data, report) for detail in error.errors(include_url=False)]
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
