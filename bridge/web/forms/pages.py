"""The HTML pages of a form, with headers that make them safe: their content is untrusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Response

from bridge.ingest.forms.redirects import origin_of
from bridge.ingest.forms.translations import texts
from bridge.routing.form import Form, Page
from bridge.web.forms.render import FormView, templates, translator
from bridge.web.forms.style import STYLE, STYLE_HASH

HTML_TYPE = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One line of the error summary: the label and the id of the field, if any, and the error."""

    label: str
    id: str
    error: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link at the end of a page."""

    url: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """The content of a page: a form or none, and why a submission was refused (`trouble`,
    `problems`) or that it was received (`done`).
    """

    language: str
    title: str
    intro: Sequence[str] = ()
    form: FormView | None = None
    trouble: str = ""
    problems: Sequence[FieldProblem] = ()
    notes: Sequence[str] = ()
    done: str = ""
    link: Link | None = None
    noindex: bool = True


def respond(
    view: PageView, form: Form | None, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the page as a response. `form` decides which sites may frame it, and its redirects."""
    html = (
        templates()
        .get_template("form_page.html")
        .render(
            **{name: getattr(view, name) for name in view.__slots__},
            t=translator(view.language),
            style=STYLE,
        )
    )
    response = Response(html, status=status, content_type=HTML_TYPE)
    set_security_headers(response, form, content_security_policy(form, view.form))
    response.headers.update(headers or {})
    return response


def respond_custom(html: str, form: Form) -> Response:
    """Return the operator's own page: it may load styles and images, but no scripts or forms."""
    response = Response(html, status=200, content_type=HTML_TYPE)
    set_security_headers(
        response,
        form,
        {
            "default-src": "'none'",
            "style-src": "'unsafe-inline'",
            "img-src": "https: data:",
            "form-action": "'none'",
        },
    )
    return response


def content_security_policy(form: Form | None, view: FormView | None) -> dict[str, str]:
    """Return the Content-Security-Policy of a page: its style, and its form with the challenge."""
    allowed = {"default-src": "'none'", "style-src": STYLE_HASH}
    if view is None:
        return {**allowed, "form-action": "'none'"}
    allowed["form-action"] = _targets(form)
    for directive, sources in view.parts.policy.items():
        allowed[directive] = f"{allowed.get(directive, '')} {sources}".strip()
    return allowed


def _targets(form: Form | None) -> str:
    """Return the `form-action` of a form.

    Browsers apply it to redirects too, also to those of the other site: so it allows whole schemes,
    not origins.
    """
    urls = [form.redirect, form.on_error, *form.allowed_origins] if form else []
    schemes = {origin.partition("//")[0] for url in urls if url and (origin := origin_of(url))}
    return " ".join(["'self'", *sorted(schemes)])


def set_security_headers(response: Response, form: Form | None, allowed: Mapping[str, str]) -> None:
    """Set the security headers of a page."""
    framers = form.page.embed_in if form else ()
    directives = {**allowed, "base-uri": "'none'", "frame-ancestors": " ".join(framers) or "'none'"}
    response.headers["Content-Security-Policy"] = "; ".join(
        f"{name} {value}" for name, value in directives.items()
    )
    if not framers:
        response.headers["X-Frame-Options"] = "DENY"  # for browsers without frame-ancestors
    response.headers["X-Content-Type-Options"] = "nosniff"
    # with a stricter policy the browser would hide our origin from us
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"


def heading(page: Page, name: str) -> str:
    """Return the title of the form: the configured one, else from the name of its source."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return page.title or words[:1].upper() + words[1:]


def paragraphs(text: str | None) -> list[str]:
    """Return the paragraphs of a configured text."""
    return [part.strip() for part in (text or "").split("\n\n") if part.strip()]


def thank_you_texts(form: Form, language: str) -> tuple[str, str]:
    """Return the title and the text of the thank-you page."""
    return texts.text(language, "sent_title"), form.page.thanks or texts.text(language, "sent_text")
