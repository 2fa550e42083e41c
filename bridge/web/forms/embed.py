"""Embed codes of a form for other sites: plain HTML, HTML with fetch, or a React component.

They use the macros of our own pages.
"""

from __future__ import annotations

import re
from dataclasses import replace
from html import escape
from textwrap import indent

from bridge.ingest.forms.spam.captchas import KINDS
from bridge.routing.model import Source
from bridge.web.forms.captcha_widgets import as_module, asking, captcha_of, show_button
from bridge.web.forms.challenges import has_work, pasted_parts
from bridge.web.forms.hidden_fields import HiddenParts
from bridge.web.forms.javascript import (
    ANSWER_MARKUP,
    CAPTCHA_EFFECT,
    FETCH_SCRIPT,
    LOAD_SCRIPT_EFFECT,
    REACT_COMPONENT,
    quoted,
)
from bridge.web.forms.jsx import JsxWriter
from bridge.web.forms.render import environment, form_view, speaker

SUBMIT_BUTTON = re.compile(r'(<button type="submit"[^>]*>).*?(</button>)', re.DOTALL)


def as_html(source: Source, base: str, language: str) -> str:
    """Return the form as HTML that submits to the bridge at `base`."""
    scripts = (
        f'\n<script src="{escape(one)}" defer></script>'
        for one in pasted_parts(source, base).scripts
    )
    shows = show_button(source.name) if _shows_button(source, base) else ""
    own = "\n".join(filter(None, (shows, _asking(source))))
    return _form(source, base, language) + "".join(scripts) + (f"\n{as_module(own)}" if own else "")


def as_fetch(source: Source, base: str, language: str) -> str:
    """Return the form with a script that submits it and shows the answer below.

    Without JavaScript the browser submits it as usual.
    """
    said = {
        "id": quoted(source.name),
        "lost": quoted(speaker(language)("not_reached")),
        "again": _again(source),
        "labels": quoted(_labels(source, language)),
        "sending": quoted(speaker(language)("sending")),
    }
    return f"{as_html(source, base, language)}\n{FETCH_SCRIPT % said}"


def as_react(source: Source, base: str, language: str) -> str:
    """Return the form as a React component."""
    labels = _labels(source, language)
    reader = JsxWriter(labels)
    reader.feed(_form(source, base, language, in_react=True))
    reader.close()
    text = reader.text
    for place, more in (
        ("<form", " onSubmit={send}"),
        ('<button type="submit"', " disabled={busy} aria-busy={busy || undefined}"),
    ):
        text = text.replace(place, place + more, 1)
    shown = (
        f"{{busy ? {quoted(speaker(language)('sending'))} :"
        f" {quoted(_submit_text(source, language))}}}"
    )
    text = SUBMIT_BUTTON.sub(lambda found: f"{found[1]}{shown}{found[2]}", text)
    text = text.replace("</form>", ANSWER_MARKUP + "</form>")
    name = "".join(word.capitalize() for word in re.split(r"[_-]+", source.name)) + "Form"
    said = {
        "name": name if name[0].isalpha() else f"Form{name}",
        "lost": quoted(speaker(language)("not_reached")),
    }
    effects = [LOAD_SCRIPT_EFFECT % quoted(one) for one in pasted_parts(source, base).scripts]
    if asks := _asking(source):
        effects.append(CAPTCHA_EFFECT % indent(asks, "    "))
    said |= {"hooks": "useEffect, useState" if effects else "useState", "effects": "".join(effects)}
    said |= {"again": _again(source), "labels": quoted(labels)}
    return REACT_COMPONENT % {
        **said,
        "form": "\n".join(f"    {line}" if line else "" for line in text.splitlines()),
    }


def _asking(source: Source) -> str:
    captcha = captcha_of(source)
    return asking(captcha, source.name) if captcha is not None else ""


def _again(source: Source) -> str:
    """Return the code that resets the captcha: its answer is valid once."""
    captcha = captcha_of(source)
    again = KINDS[captcha.kind].again if captcha is not None else ""
    return f"\n        {again}" if again else ""


def _labels(source: Source, language: str) -> dict[str, str]:
    """Return the label of each field, and the one for errors of the whole form."""
    fields = form_view(source, language, None, HiddenParts()).fields
    return {
        "": speaker(language)("whole_form"),
        **{field.control.name: field.control.label for field in fields},
    }


def _shows_button(source: Source, base: str) -> bool:
    """Return whether the embed code must show the button: our script does, a captcha's does not."""
    return pasted_parts(source, base).needs_script and not has_work(source)


def _submit_text(source: Source, language: str) -> str:
    return form_view(source, language, None, HiddenParts()).submit


def _form(source: Source, base: str, language: str, *, in_react: bool = False) -> str:
    """Return the form as HTML. In React the component itself controls the button."""
    view = form_view(source, language, f"{base}/hooks/{source.name}", pasted_parts(source, base))
    if in_react:
        view = replace(view, parts=replace(view.parts, scripts=(), needs_script=False))
    return str(environment().get_template("form_macros.html").module.form(view, speaker(language)))  # type: ignore[attr-defined]  # Jinja makes the macros at run time
