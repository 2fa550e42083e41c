"""What only a form source has, of the document into a record."""

from __future__ import annotations

from bridge.config.build.form_files import field_rules, file_rules
from bridge.config.build.json_schemas import Schemas
from bridge.config.build.spam import build_spam
from bridge.config.build.written import Written
from bridge.config.files import Folder
from bridge.config.problems import Path
from bridge.core.errors import CompileError
from bridge.ingest.forms.custom_page import compile_page
from bridge.ingest.forms.redirects import landing, origin_of, plain_origin
from bridge.routing.form import Form, Page

FORM_ONLY = (
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
ON_ERROR = ("page", "back")


def build_form(written: Written, schemas: Schemas) -> Form:
    """Return what a source of the provider form says; what is wrong with it is in the report."""
    schema = (
        schemas.compile(written.model.schema_, (*written.path, "schema"))
        if written.model.schema_ is not None
        else None
    )
    document = schema.document if schema is not None else None
    return Form(
        redirect=_url(written, "redirect", written.model.redirect),
        on_error=_on_error(written),
        allowed_origins=_origins(written, ("allowed_origins",), written.model.allowed_origins),
        page=_page(written, schemas.folder),
        schema=schema,
        schema_document=document,
        addresses=written.model.addresses,
        spam=build_spam(written, schemas.folder, Form(schema_document=document).properties),
        fields=field_rules(written),
        files=file_rules(written, document),
    )


def _url(written: Written, key: str, url: str | None) -> str | None:
    """Return a page's URL as a browser is sent to it."""
    if url is None:
        return None
    origin = origin_of(url)
    fits = landing(url, (origin,)) if origin is not None else None
    if fits is None:
        written.add(key, "needs a URL that begins with https:// or http://")
    return fits


def _on_error(written: Written) -> str:
    given: str = written.model.on_error
    if (
        given == "back"
        and not written.model.allowed_origins
        and not written.is_settled("allowed_origins")
    ):
        written.add(
            "on_error",
            "`back` leads to pages of `allowed_origins` only, and there are none: say which sites"
            " may send the form",
        )
    if given in ON_ERROR:
        return given
    if "://" not in given:
        written.add(
            "on_error",
            f"found `{given[:40]}`; allowed: page, back, or a URL that begins with https:// or"
            " http://",
        )
        return "page"
    return _url(written, "on_error", given) or "page"


def _page(written: Written, folder: Folder) -> Page:
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
        embed_in=_origins(written, ("page", "embed_in"), model.embed_in),
    )


def _origins(written: Written, keys: Path, texts: list[str] | None) -> tuple[str, ...]:
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
