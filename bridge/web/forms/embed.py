"""Embed codes of a form for other sites: plain HTML, HTML with fetch, or a React component.

They use the macros of our own pages.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from textwrap import indent

from bridge.ingest.forms.spam.captchas import CAPTCHA_SERVICES
from bridge.routing.model import Source
from bridge.web.forms.captcha_widgets import as_module, captcha_of, show_button, submit_script
from bridge.web.forms.challenges import has_proof_of_work, make_embedded_fields
from bridge.web.forms.hidden_fields import AntiSpamFields
from bridge.web.forms.javascript import (
    ANSWER_MARKUP,
    CAPTCHA_EFFECT,
    FETCH_SCRIPT,
    LOAD_SCRIPT_EFFECT,
    REACT_COMPONENT,
    quote,
)
from bridge.web.forms.render import form_view, templates, translator

VOID_TAGS = frozenset({"input", "br", "hr", "img"})
#: Attributes of HTML under the names that React gives them.
#: https://react.dev/reference/react-dom/components/common
REACT_NAMES = {
    "for": "htmlFor",
    "class": "className",
    "tabindex": "tabIndex",
    "autocomplete": "autoComplete",
    "minlength": "minLength",
    "maxlength": "maxLength",
    "inputmode": "inputMode",
    "enctype": "encType",
    "accept-charset": "acceptCharset",
    "checked": "defaultChecked",
}


FIELD_TAGS = frozenset({"input", "select", "textarea"})
NUMERIC_ATTRIBUTES = frozenset({"minLength", "maxLength", "rows", "tabIndex"})


class JsxWriter(HTMLParser):
    """Converts the HTML of our macros to JSX. https://react.dev/learn/writing-markup-with-jsx

    The fields of `names` are marked if the answer reports an error for them.
    """

    def __init__(self, names: Container[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._names = names
        self._pieces: list[str] = []
        # by element with its value as an attribute: the piece of its last tag
        self._open: dict[str, int] = {}

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "option" and "selected" in attributes:
            del attributes["selected"]
            self._default("select", attributes.get("value") or "")
        keeps_value = tag == "option" or attributes.get("type") in ("checkbox", "hidden")
        written = [
            _attribute(name, value, keeps_value=keeps_value) for name, value in attributes.items()
        ]
        if (
            tag in FIELD_TAGS
            and attributes.get("type") != "hidden"
            and (name := attributes.get("name") or "") in self._names
        ):
            written.append(f"aria-invalid={{faults[{quote(name)}] ? true : undefined}}")
        self._open[tag] = len(self._pieces)
        self._pieces.append(" ".join([f"<{tag}", *written]) + (" />" if tag in VOID_TAGS else ">"))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID_TAGS:
            self._pieces.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._pieces and self._pieces[-1].startswith("<textarea"):
            self._default("textarea", data.removeprefix("\n"))
        else:
            self._pieces.append(re.sub(r"[{}<>]", lambda match: f'{{"{match[0]}"}}', data))

    def handle_comment(self, data: str) -> None:
        self._pieces.append(f"{{/*{data.replace('*/', '')}*/}}")

    def _default(self, tag: str, value: str) -> None:
        at = self._open[tag]
        self._pieces[at] = f"{self._pieces[at][:-1]} defaultValue={{{quote(value)}}}>"


def _attribute(name: str, value: str | None, *, keeps_value: bool) -> str:
    if name == "style":
        rules = (rule.partition(":") for rule in (value or "").split(";") if rule)
        return (
            "style={{ "
            + ", ".join(f"{rule}: {quote(style_value)}" for rule, _, style_value in rules)
            + " }}"
        )
    react_name = REACT_NAMES.get(name, name)
    if value is None:
        return react_name
    if react_name in NUMERIC_ATTRIBUTES:
        return f"{react_name}={{{value}}}"
    react_name = "defaultValue" if name == "value" and not keeps_value else react_name
    return (
        f'{react_name}="{escape(value)}"'
        if re.fullmatch(r'[^"\\\n{}&<>]*', value)
        else f"{react_name}={{{quote(value)}}}"
    )


SUBMIT_BUTTON = re.compile(r'(<button type="submit"[^>]*>).*?(</button>)', re.DOTALL)


def as_html(source: Source, base: str, language: str) -> str:
    """Return the form as HTML that submits to the bridge at `base`."""
    scripts = (
        f'\n<script src="{escape(script_url)}" defer></script>'
        for script_url in make_embedded_fields(source, base).scripts
    )
    shows = show_button(source.name) if _shows_button(source, base) else ""
    own = "\n".join(filter(None, (shows, _asking(source))))
    return _form(source, base, language) + "".join(scripts) + (f"\n{as_module(own)}" if own else "")


def as_fetch(source: Source, base: str, language: str) -> str:
    """Return the form with a script that submits it and shows the answer below.

    Without JavaScript the browser submits it as usual.
    """
    said = {
        "id": quote(source.name),
        "lost": quote(translator(language)("not_reached")),
        "again": _again(source),
        "labels": quote(_labels(source, language)),
        "sending": quote(translator(language)("sending")),
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
    button_text = (
        f"{{busy ? {quote(translator(language)('sending'))} :"
        f" {quote(_submit_text(source, language))}}}"
    )
    text = SUBMIT_BUTTON.sub(lambda match: f"{match[1]}{button_text}{match[2]}", text)
    text = text.replace("</form>", ANSWER_MARKUP + "</form>")
    name = "".join(word.capitalize() for word in re.split(r"[_-]+", source.name)) + "Form"
    said = {
        "name": name if name[0].isalpha() else f"Form{name}",
        "lost": quote(translator(language)("not_reached")),
    }
    effects = [
        LOAD_SCRIPT_EFFECT % quote(script_url)
        for script_url in make_embedded_fields(source, base).scripts
    ]
    if asks := _asking(source):
        effects.append(CAPTCHA_EFFECT % indent(asks, "    "))
    said |= {"hooks": "useEffect, useState" if effects else "useState", "effects": "".join(effects)}
    said |= {"again": _again(source), "labels": quote(labels)}
    return REACT_COMPONENT % {
        **said,
        "form": "\n".join(f"    {line}" if line else "" for line in text.splitlines()),
    }


def _asking(source: Source) -> str:
    captcha = captcha_of(source)
    return submit_script(captcha, source.name) if captcha is not None else ""


def _again(source: Source) -> str:
    """Return the code that resets the captcha: its answer is valid once."""
    captcha = captcha_of(source)
    again = CAPTCHA_SERVICES[captcha.kind].again if captcha is not None else ""
    return f"\n        {again}" if again else ""


def _labels(source: Source, language: str) -> dict[str, str]:
    """Return the label of each field, and the one for errors of the whole form."""
    fields = form_view(source, language, None, AntiSpamFields()).fields
    return {
        "": translator(language)("whole_form"),
        **{field.control.name: field.control.label for field in fields},
    }


def _shows_button(source: Source, base: str) -> bool:
    """Return whether the embed code must show the button: our script does, a captcha's does not."""
    return make_embedded_fields(source, base).needs_script and not has_proof_of_work(source)


def _submit_text(source: Source, language: str) -> str:
    return form_view(source, language, None, AntiSpamFields()).submit


def _form(source: Source, base: str, language: str, *, in_react: bool = False) -> str:
    """Return the form as HTML. In React the component itself controls the button."""
    view = form_view(
        source, language, f"{base}/hooks/{source.name}", make_embedded_fields(source, base)
    )
    if in_react:
        view = replace(view, parts=replace(view.parts, scripts=(), needs_script=False))
    return str(templates().get_template("form_macros.html").module.form(view, translator(language)))  # type: ignore[attr-defined]  # Jinja makes the macros at run time
