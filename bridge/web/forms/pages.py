"""The pages of a form, with the headers that keep them harmless: what is in them was written by
strangers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Response

from bridge.ingest.forms.redirects import origin_of
from bridge.ingest.forms.translations import texts
from bridge.routing.form import Form, Page
from bridge.web.forms.render import FormView, environment, speaker
from bridge.web.forms.style import STYLE, STYLE_HASH

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Problem:
    """One line of the summary: the field's label and id (empty where it belongs to none), and what
    is wrong.
    """

    label: str
    id: str
    error: str


@dataclass(frozen=True, slots=True)
class Link:
    """Where a page leads on to."""

    url: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What stands on a page: a form or none, and why something was not taken (`trouble`,
    `problems`) or that it was (`done`).
    """

    language: str
    title: str
    intro: Sequence[str] = ()
    form: FormView | None = None
    trouble: str = ""
    problems: Sequence[Problem] = ()
    notes: Sequence[str] = ()
    done: str = ""
    link: Link | None = None
    noindex: bool = True


def respond(
    view: View, form: Form | None, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the page as an answer. `form` says who may frame it and where the form on it may
    lead.
    """
    html = (
        environment()
        .get_template("form_page.html")
        .render(
            **{name: getattr(view, name) for name in view.__slots__},
            t=speaker(view.language),
            style=STYLE,
        )
    )
    response = Response(html, status=status, content_type=HTML)
    guard(response, form, policy(form, view.form))
    response.headers.update(headers or {})
    return response


def own_page(html: str, form: Form) -> Response:
    """Return the operator's own page: it may bring its style and pictures of any site, but runs
    nothing and sends nothing.
    """
    response = Response(html, status=200, content_type=HTML)
    guard(
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


def policy(form: Form | None, view: FormView | None) -> dict[str, str]:
    """Return what a page may load and do: its own style, and with a form sending it and what shows
    a challenge.
    """
    allowed = {"default-src": "'none'", "style-src": STYLE_HASH}
    if view is None:
        return {**allowed, "form-action": "'none'"}
    allowed["form-action"] = _targets(form)
    for directive, sources in view.parts.policy.items():
        allowed[directive] = f"{allowed.get(directive, '')} {sources}".strip()
    return allowed


def _targets(form: Form | None) -> str:
    """Where a form may lead. Browsers hold redirects to it too, and those that the other site
    makes: so a whole scheme, not its origin.
    """
    urls = [form.redirect, form.on_error, *form.allowed_origins] if form else []
    schemes = {origin.partition("//")[0] for url in urls if url and (origin := origin_of(url))}
    return " ".join(["'self'", *sorted(schemes)])


def guard(response: Response, form: Form | None, allowed: Mapping[str, str]) -> None:
    """Give a page its headers."""
    framers = form.page.embed_in if form else ()
    directives = {**allowed, "base-uri": "'none'", "frame-ancestors": " ".join(framers) or "'none'"}
    response.headers["Content-Security-Policy"] = "; ".join(
        f"{name} {value}" for name, value in directives.items()
    )
    if not framers:
        response.headers["X-Frame-Options"] = "DENY"  # for those who do not know frame-ancestors
    response.headers["X-Content-Type-Options"] = "nosniff"
    # with less the browser would hide from us that the page is ours
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store"


def heading(page: Page, name: str) -> str:
    """Return what the form is called: as the configuration says, else after its source."""
    words = name.replace("_", " ").replace("-", " ").strip()
    return page.title or words[:1].upper() + words[1:]


def paragraphs(text: str | None) -> list[str]:
    """Return a text of the configuration in paragraphs."""
    return [part.strip() for part in (text or "").split("\n\n") if part.strip()]


def thanks(form: Form, language: str) -> tuple[str, str]:
    """Return the title and the text of the thank-you page."""
    return texts.text(language, "sent_title"), form.page.thanks or texts.text(language, "sent_text")
