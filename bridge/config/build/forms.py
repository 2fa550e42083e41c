"""Build the part of a source that only forms have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from bridge.config.build.declared_source import DeclaredSource
from bridge.config.build.json_schemas import Schemas
from bridge.config.build.spam import build_spam
from bridge.config.files import ConfigFolder
from bridge.config.problems import Path
from bridge.config.schema.forms import FilesSchema
from bridge.config.schema.units import MAX_SIZE_BYTES
from bridge.core.errors import CompileError
from bridge.core.file_types import GROUPS, TYPES
from bridge.core.model import JSON
from bridge.ingest.forms.coercion import file_fields
from bridge.ingest.forms.custom_page import compile_page
from bridge.ingest.forms.redirects import landing, origin_of, plain_origin
from bridge.routing.expressions.roots import near
from bridge.routing.form import FieldRules, FileRules, Form, Page

MIB: Final = 1024 * 1024
MAX_FILE_BYTES: Final = 25 * MIB  # the limit of the flow API
FIELDS_BYTES: Final = MIB  # of a body with files, for its fields
MAX_BYTES_WITHOUT_FILES: Final = 256 * 1024  # of a body without files: people type less
ANY_TYPE: Final = "any"
_EXTENSION = re.compile(r"\.[a-z0-9]{1,10}")
FORM_ONLY_KEYS = (
    "redirect",
    "on_error",
    "allowed_origins",
    "page",
    "addresses",
    "spam",
    "fields",
    "files",
    "schema",
)
ON_ERROR_VALUES = ("page", "back")


def build_form(written: DeclaredSource, schemas: Schemas) -> Form:
    """Return the form of a source, and report its problems."""
    schema = (
        schemas.compile(written.model.schema_, (*written.path, "schema"))
        if written.model.schema_ is not None
        else None
    )
    document = schema.document if schema is not None else None
    return Form(
        redirect=_parse_url(written, "redirect", written.model.redirect),
        on_error=_parse_on_error(written),
        allowed_origins=_parse_origins(
            written, ("allowed_origins",), written.model.allowed_origins
        ),
        page=_build_page(written, schemas.folder),
        schema=schema,
        schema_document=document,
        addresses=written.model.addresses,
        spam=build_spam(written, schemas.folder, Form(schema_document=document).properties),
        fields=build_field_rules(written),
        files=build_file_rules(written, document),
    )


def _parse_url(written: DeclaredSource, key: str, url: str | None) -> str | None:
    """Return the URL of a page, normalized for a redirect."""
    if url is None:
        return None
    origin = origin_of(url)
    fits = landing(url, (origin,)) if origin is not None else None
    if fits is None:
        written.add(key, "needs a URL that begins with https:// or http://")
    return fits


def _parse_on_error(written: DeclaredSource) -> str:
    given: str = written.model.on_error
    if (
        given == "back"
        and not written.model.allowed_origins
        and not written.is_settled("allowed_origins")
    ):
        written.add(
            "on_error",
            "`back` redirects only to `allowed_origins`, and there are none: list the sites that"
            " may send the form",
        )
    if given in ON_ERROR_VALUES:
        return given
    if "://" not in given:
        written.add(
            "on_error",
            f"found `{given[:40]}`; allowed: page, back, or a URL that begins with https:// or"
            " http://",
        )
        return "page"
    return _parse_url(written, "on_error", given) or "page"


def _build_page(written: DeclaredSource, folder: ConfigFolder) -> Page:
    model = written.model.page
    if model is None:
        return Page()
    template = None
    if model.thanks_template is not None:
        try:
            template = compile_page(folder.part(model.thanks_template), model.thanks_template)
        except CompileError as error:
            written.report.add((*written.path, "page", "thanks_template"), str(error))
    return Page(
        **{
            name: getattr(model, name)
            for name in ("title", "intro", "submit", "thanks", "language", "hosted", "noindex")
        },
        thanks_template=template,
        embed_in=_parse_origins(written, ("page", "embed_in"), model.embed_in),
    )


def _parse_origins(written: DeclaredSource, keys: Path, texts: list[str] | None) -> tuple[str, ...]:
    origins = []
    for index, text in enumerate(texts or []):
        origin = plain_origin(text.strip().removesuffix("/"))
        if origin is None:
            written.report.add(
                (*written.path, *keys, index),
                "needs an origin: scheme and host, without a path, like https://example.com",
            )
        else:
            origins.append(origin)
    return tuple(origins)


def build_field_rules(written: DeclaredSource) -> FieldRules:
    """Return the limits of the form's fields."""
    said = written.model.fields
    return (
        FieldRules()
        if said is None
        else FieldRules(max=said.max, max_length=said.max_length, nested=said.nested)
    )


def build_file_rules(written: DeclaredSource, document: JSON) -> FileRules | None:
    """Return the limits of the form's files; null if it takes none.

    `document`: its JSON Schema, which may have fields that are files.
    """
    said = written.model.files
    properties = (document or {}).get("properties")
    if said is False or (
        said is None and not file_fields(properties if isinstance(properties, Mapping) else {})
    ):
        return None
    said = said if isinstance(said, FilesSchema) else FilesSchema.model_validate({})
    types, extensions = _allowed_types(written, said.types)
    if said.max_size > MAX_FILE_BYTES:
        written.report.add(
            (*written.path, "files", "max_size"),
            "exceeds the limit of the flow API; allowed: at most 25 MiB",
        )
    if said.keep < said.max_size:
        written.report.add(
            (*written.path, "files", "keep"),
            "is smaller than one file may be; allowed: at least `max_size`",
        )
    return FileRules(
        max=said.max,
        max_size=said.max_size,
        types=types,
        extensions=extensions,
        required=tuple(said.required or ()),
        keep=said.keep,
    )


def find_max_body(written: DeclaredSource, form: Form | None) -> int:
    """Return the largest accepted body in bytes.

    The default is the provider's; for a form it follows from its files.
    """
    said: Any = written.model.max_body
    if said or form is None:
        return said or written.provider.max_body
    rules = form.files
    return (
        MAX_BYTES_WITHOUT_FILES
        if rules is None
        else min(MAX_SIZE_BYTES, rules.max * rules.max_size + FIELDS_BYTES)
    )


def _allowed_types(
    written: DeclaredSource, names: tuple[str, ...]
) -> tuple[frozenset[str] | None, frozenset[str]]:
    """Return the allowed file types, null for any, and the further extensions."""
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
        elif name != ANY_TYPE:
            choices = [*GROUPS, *TYPES, ANY_TYPE]
            message = (
                f"no type `{name}`; {near(name, choices)}allowed: {', '.join(choices)}, or"
                " .EXTENSION"
            )
            written.report.add((*written.path, "files", "types", number), message)
    return (None if ANY_TYPE in names else frozenset(known)), frozenset(further)
