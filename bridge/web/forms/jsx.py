"""HTML of the form macros as JSX."""

from __future__ import annotations

import re
from collections.abc import Container
from html import escape
from html.parser import HTMLParser

from bridge.web.forms.javascript import quote

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
        given = dict(attrs)
        if tag == "option" and "selected" in given:
            del given["selected"]
            self._default("select", given.get("value") or "")
        keeps_value = tag == "option" or given.get("type") in ("checkbox", "hidden")
        written = [
            _attribute(name, value, keeps_value=keeps_value) for name, value in given.items()
        ]
        if (
            tag in FIELD_TAGS
            and given.get("type") != "hidden"
            and (name := given.get("name") or "") in self._names
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
            self._pieces.append(re.sub(r"[{}<>]", lambda found: f'{{"{found[0]}"}}', data))

    def handle_comment(self, data: str) -> None:
        self._pieces.append(f"{{/*{data.replace('*/', '')}*/}}")

    def _default(self, tag: str, value: str) -> None:
        at = self._open[tag]
        self._pieces[at] = f"{self._pieces[at][:-1]} defaultValue={{{quote(value)}}}>"


def _attribute(name: str, value: str | None, *, keeps_value: bool) -> str:
    if name == "style":
        rules = (rule.partition(":") for rule in (value or "").split(";") if rule)
        return (
            "style={{ " + ", ".join(f"{rule}: {quote(given)}" for rule, _, given in rules) + " }}"
        )
    known = REACT_NAMES.get(name, name)
    if value is None:
        return known
    if known in NUMERIC_ATTRIBUTES:
        return f"{known}={{{value}}}"
    known = "defaultValue" if name == "value" and not keeps_value else known
    return (
        f'{known}="{escape(value)}"'
        if re.fullmatch(r'[^"\\\n{}&<>]*', value)
        else f"{known}={{{quote(value)}}}"
    )
