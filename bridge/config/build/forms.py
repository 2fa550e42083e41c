"""Build the part of a source that only forms have, and its protection against spam."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from bridge.config.addresses import is_loopback
from bridge.config.build.declared_source import DeclaredSource
from bridge.config.build.json_schemas import Schemas
from bridge.config.files import ConfigFolder
from bridge.config.problems import Path
from bridge.config.schema.units import MAX_SIZE_BYTES
from bridge.core.errors import CompileError
from bridge.core.file_types import FILE_GROUPS, FILE_TYPES
from bridge.core.model import JSON
from bridge.core.typos import suggest
from bridge.core.units import MIB
from bridge.ingest.forms.coercion import file_fields
from bridge.ingest.forms.custom_page import compile_page
from bridge.ingest.forms.redirects import origin_of, plain_origin, redirect_target
from bridge.ingest.forms.spam import blocklists, captchas
from bridge.routing.form import Blocklists, Captcha, FieldRules, FileRules, Form, Page, Spam

if TYPE_CHECKING:
    from bridge.config.schema.forms import CaptchaSchema, SpamSchema

BLOCKLIST_KEYS = ("block_words", "block_addresses", "block_domains")
DEFAULT_CAPTCHA_SCORE = 0.5
MAX_NAME_LENGTH = 100  # characters of a field's name


def build_spam(declared: DeclaredSource, folder: ConfigFolder, fields: Container[str]) -> Spam:
    """Return the spam checks of a form, and report their problems.

    `fields`: those in the form's JSON Schema.
    """
    model = declared.model.spam or declared.document.default_spam
    if declared.model.spam is not None and model.min_fill >= model.expires:
        declared.report.add(
            (*declared.path, "spam", "min_fill"),
            "must be shorter than `expires`: else every token is too new or too old",
        )
    return Spam(
        honeypots=_build_honeypots(declared, model, fields),
        token=model.token,
        altcha=model.altcha,
        min_fill=model.min_fill,
        expires=model.expires,
        work=model.altcha_work,
        captcha=_build_captcha(declared, model.captcha) if model.captcha is not None else None,
        blocked=_build_blocklists(declared, model, folder),
        max_links=model.max_links,
        duplicates=model.duplicates,
    )


def _build_honeypots(
    declared: DeclaredSource, model: SpamSchema, fields: Container[str]
) -> tuple[str, ...]:
    """Return the names of the honeypot fields.

    People see the fields of the schema, so such a field cannot be a honeypot.
    """
    names = tuple(dict.fromkeys(model.honeypots))
    if "honeypots" not in model.model_fields_set:
        return tuple(name for name in names if name not in fields)
    if any(not 0 < len(name) <= MAX_NAME_LENGTH for name in names):
        declared.report.add(
            (*declared.path, "spam", "honeypots"),
            f"needs names of fields of 1 to {MAX_NAME_LENGTH} characters",
        )
    for name in names:
        if name in fields:
            message = (
                f"`{name[:60]}` is a field of the schema: a person who fills it in would be marked"
                " as a bot"
            )
            declared.report.add((*declared.path, "spam", "honeypots"), message)
    return names


def _build_captcha(declared: DeclaredSource, model: CaptchaSchema) -> Captcha | None:
    path = (*declared.path, "spam", "captcha")
    row = captchas.CAPTCHA_SERVICES[model.kind]
    url = model.url or row.url
    if not _is_safe(url):
        declared.report.add(
            (*path, "url"), "needs a URL that begins with https://, or with http:// on this machine"
        )
    if model.score is not None and not row.has_score:
        scored = ", ".join(
            name for name, kind in captchas.CAPTCHA_SERVICES.items() if kind.has_score
        )
        declared.report.add(
            (*path, "score"), f"{model.kind} gives no score; allowed for: {scored}", key=True
        )
    if not model.secret.strip():
        declared.report.add((*path, "secret"), "an empty secret")
    return Captcha(
        kind=model.kind,
        url=url,
        secret=model.secret,
        site_key=model.site_key,
        score=(DEFAULT_CAPTCHA_SCORE if model.score is None else model.score)
        if row.has_score
        else None,
        action=model.action,
        hostnames=frozenset(name.lower() for name in model.hostnames or ()),
        tells_address=model.tell_address,
        holds=model.unreachable == "hold",
        timeout=model.timeout,
    )


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            url.isprintable()
            and bool(parts.hostname)
            and not parts.username
            and parts.port != 0
            and (
                parts.scheme == "https"
                or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
            )
        )
    except ValueError:
        return False


def _build_blocklists(
    declared: DeclaredSource, model: SpamSchema, folder: ConfigFolder
) -> Blocklists:
    built: dict[str, Any] = {}
    for key in BLOCKLIST_KEYS:
        path = (*declared.path, "spam", key)
        try:
            entries = _read_entries(getattr(model, key), folder)
            blocklist = blocklists.build_blocklist(**{key.removeprefix("block_"): entries})
            built |= {
                name: value
                for name in ("phrases", "parts", "mailboxes", "domains", "networks")
                if (value := getattr(blocklist, name))
            }
        except (ValueError, CompileError) as error:
            declared.report.add(path, str(error))
    return Blocklists(**built)


def _read_entries(listed: Any, folder: ConfigFolder) -> list[str]:
    """Return the entries of a list, or the lines of a file without comments."""
    if isinstance(listed, str):
        lines = (line.partition(" #")[0].strip() for line in folder.read_part(listed).splitlines())
        listed = [line for line in lines if line and not line.startswith("#")]
    entries = listed or []
    if len(entries) > blocklists.MAX_ENTRIES:
        raise ValueError(f"has {len(entries)} entries; allowed: {blocklists.MAX_ENTRIES}")
    if bad := next(
        (
            entry
            for entry in entries
            if not isinstance(entry, str)
            or not 0 < len(entry.strip()) <= blocklists.MAX_ENTRY_CHARS
        ),
        None,
    ):
        raise ValueError(
            f"`{str(bad)[:40]}` is not a text of 1 to {blocklists.MAX_ENTRY_CHARS} characters"
        )
    return [entry.strip() for entry in entries]


MAX_FORM_FILE_BYTES: Final = 25 * MIB  # the limit of the flow API
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


def build_form(declared: DeclaredSource, schemas: Schemas) -> Form:
    """Return the form of a source, and report its problems."""
    schema = (
        schemas.compile(declared.model.schema_, (*declared.path, "schema"))
        if declared.model.schema_ is not None
        else None
    )
    document = schema.document if schema is not None else None
    return Form(
        redirect=_parse_url(declared, "redirect", declared.model.redirect),
        on_error=_parse_on_error(declared),
        allowed_origins=_parse_origins(
            declared, ("allowed_origins",), declared.model.allowed_origins
        ),
        page=_build_page(declared, schemas.folder),
        schema=schema,
        schema_document=document,
        addresses=declared.model.addresses,
        spam=build_spam(declared, schemas.folder, Form(schema_document=document).properties),
        fields=build_field_rules(declared),
        files=build_file_rules(declared, document),
    )


def _parse_url(declared: DeclaredSource, key: str, url: str | None) -> str | None:
    """Return the URL of a page, normalized for a redirect."""
    if url is None:
        return None
    origin = origin_of(url)
    fits = redirect_target(url, (origin,)) if origin is not None else None
    if fits is None:
        declared.add(key, "needs a URL that begins with https:// or http://")
    return fits


def _parse_on_error(declared: DeclaredSource) -> str:
    on_error: str = declared.model.on_error
    if (
        on_error == "back"
        and not declared.model.allowed_origins
        and not declared.is_settled("allowed_origins")
    ):
        declared.add(
            "on_error",
            "`back` redirects only to `allowed_origins`, and there are none: list the sites that"
            " may send the form",
        )
    if on_error in ON_ERROR_VALUES:
        return on_error
    if "://" not in on_error:
        declared.add(
            "on_error",
            f"found `{on_error[:40]}`; allowed: page, back, or a URL that begins with https:// or"
            " http://",
        )
        return "page"
    return _parse_url(declared, "on_error", on_error) or "page"


def _build_page(declared: DeclaredSource, folder: ConfigFolder) -> Page:
    model = declared.model.page
    if model is None:
        return Page()
    template = None
    if model.thanks_template is not None:
        try:
            template = compile_page(folder.read_part(model.thanks_template), model.thanks_template)
        except CompileError as error:
            declared.report.add((*declared.path, "page", "thanks_template"), str(error))
    return Page(
        **{
            name: getattr(model, name)
            for name in ("title", "intro", "submit", "thanks", "language", "hosted", "noindex")
        },
        thanks_template=template,
        embed_in=_parse_origins(declared, ("page", "embed_in"), model.embed_in),
    )


def _parse_origins(
    declared: DeclaredSource, keys: Path, texts: list[str] | None
) -> tuple[str, ...]:
    origins = []
    for index, text in enumerate(texts or []):
        origin = plain_origin(text.strip().removesuffix("/"))
        if origin is None:
            declared.report.add(
                (*declared.path, *keys, index),
                "needs an origin: scheme and host, without a path, like https://example.com",
            )
        else:
            origins.append(origin)
    return tuple(origins)


def build_field_rules(declared: DeclaredSource) -> FieldRules:
    """Return the limits of the form's fields."""
    said = declared.model.fields
    return (
        FieldRules()
        if said is None
        else FieldRules(max=said.max, max_length=said.max_length, nested=said.nested)
    )


def build_file_rules(declared: DeclaredSource, document: JSON) -> FileRules | None:
    """Return the limits of the form's files; null if it takes none.

    `document`: its JSON Schema, which may have fields that are files.
    """
    said = declared.model.files
    properties = (document or {}).get("properties")
    if said is False or (
        said is None and not file_fields(properties if isinstance(properties, Mapping) else {})
    ):
        return None
    said = declared.document.default_files if said is None or said is True else said
    types, extensions = _allowed_types(declared, said.types)
    if said.max_size > MAX_FORM_FILE_BYTES:
        declared.report.add(
            (*declared.path, "files", "max_size"),
            "exceeds the limit of the flow API; allowed: at most 25 MiB",
        )
    if said.keep < said.max_size:
        declared.report.add(
            (*declared.path, "files", "keep"),
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


def find_max_body(declared: DeclaredSource, form: Form | None) -> int:
    """Return the largest accepted body in bytes.

    The default is the provider's; for a form it follows from its files.
    """
    said: Any = declared.model.max_body
    if said or form is None:
        return said or declared.provider.max_body
    rules = form.files
    return (
        MAX_BYTES_WITHOUT_FILES
        if rules is None
        else min(MAX_SIZE_BYTES, rules.max * rules.max_size + FIELDS_BYTES)
    )


def _allowed_types(
    declared: DeclaredSource, names: tuple[str, ...]
) -> tuple[frozenset[str] | None, frozenset[str]]:
    """Return the allowed file types, null for any, and the further extensions."""
    types = set[str]()
    further = set[str]()
    names = tuple(map(str.lower, names))
    for number, name in enumerate(names):
        rows = [
            row.name
            for row in FILE_TYPES.values()
            if name in (row.name, row.group) or name.removeprefix(".") in row.extensions
        ]
        if rows:
            types.update(rows)
        elif _EXTENSION.fullmatch(name):
            further.add(name[1:])
        elif name != ANY_TYPE:
            choices = [*FILE_GROUPS, *FILE_TYPES, ANY_TYPE]
            message = (
                f"no type `{name}`; {suggest(name, choices)}allowed: {', '.join(choices)}, or"
                " .EXTENSION"
            )
            declared.report.add((*declared.path, "files", "types", number), message)
    return (None if ANY_TYPE in names else frozenset(types)), frozenset(further)
