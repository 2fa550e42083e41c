"""A form to be pasted into a page of someone else's: plain HTML, HTML with fetch, or a React
component. By the macros of our own pages.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from textwrap import indent

from bridge.ingest.forms.spam.captchas import KINDS
from bridge.routing.model import Source
from bridge.web.forms.captcha_widgets import as_module, asking, captcha_of, show_button
from bridge.web.forms.challenges import has_work, pasted_parts
from bridge.web.forms.hidden_fields import HiddenParts
from bridge.web.forms.quoting import quoted
from bridge.web.forms.render import environment, form_view, speaker

VOID = frozenset({"input", "br", "hr", "img"})
#: Attributes of HTML under the names that React gives them.
#: https://react.dev/reference/react-dom/components/common
REACT = {
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
BUTTON = re.compile(r'(<button type="submit"[^>]*>).*?(</button>)', re.DOTALL)
ASKED = frozenset({"input", "select", "textarea"})
NUMBERS = frozenset({"minLength", "maxLength", "rows", "tabIndex"})
SCRIPT = """<script type="module">
  const form = document.getElementById(%(id)s);
  const labels = %(labels)s;
  const status = form.appendChild(document.createElement("p"));
  status.setAttribute("role", "status");
  const button = form.querySelector("button[type=submit]");
  const idle = button.textContent;
  const busy = (is) => {
    button.disabled = is;
    button.textContent = is ? %(sending)s : idle;
    if (is) button.setAttribute("aria-busy", "true");
    else button.removeAttribute("aria-busy");
  };
  const mark = (elements, faults) => {
    for (const element of elements) {
      const fault = (element.name && faults[element.name]) || "";
      element.setCustomValidity?.(fault);
      if (fault) element.setAttribute("aria-invalid", "true");
      else element.removeAttribute("aria-invalid");
    }
  };
  form.addEventListener("input", ({ target }) => {
    mark([...form.elements].filter((one) => one.name === target.name), {});
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    busy(true);
    try {
      const response = await fetch(form.getAttribute("action"), {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new FormData(form),
      });
      const answer = await response.json();
      const faults = answer.fields ?? {};
      const said = Object.entries(faults).map(([name, fault]) => `${labels[name] ?? name}: ${fault}`);
      status.textContent = [answer.message, ...said].join(" ");
      mark(form.elements, faults);
      if (response.ok) {
        form.reset();%(again)s
      } else form.reportValidity();
    } catch {
      status.textContent = %(lost)s;
    } finally {
      busy(false);
    }
  });
  addEventListener("pageshow", () => busy(false));
</script>"""
COMPONENT = """import { %(hooks)s } from "react";

const LABELS = %(labels)s;

export function %(name)s() {
  const [answer, setAnswer] = useState(null);
  const [busy, setBusy] = useState(false);
  const faults = answer?.fields ?? {};
%(effects)s
  async function send(event) {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    try {
      const response = await fetch(form.getAttribute("action"), {
        method: "POST",
        headers: { Accept: "application/json" },
        body: new FormData(form),
      });
      setAnswer(await response.json());
      if (response.ok) {
        form.reset();%(again)s
      }
    } catch {
      setAnswer({ ok: false, message: %(lost)s });
    } finally {
      setBusy(false);
    }
  }

  return (
%(form)s
  );
}
"""
EFFECT = """
  useEffect(() => {
    const script = document.createElement("script");
    script.src = %s;
    document.body.append(script);
    return () => script.remove();
  }, []);
"""
EFFECT_ASKING = """
  useEffect(() => {
%s
    return () => form.removeEventListener("submit", ask, true);
  }, []);
"""
ANSWERS = """  {answer && (
    <div role="status">
      <p>{answer.message}</p>
      <ul>
        {Object.entries(faults).map(([name, fault]) => (
          <li key={name}>
            {LABELS[name] ?? name}: {fault}
          </li>
        ))}
      </ul>
    </div>
  )}
"""


def as_html(source: Source, base: str, language: str) -> str:
    """Return the form as HTML, sent to the bridge that is reached at `base`."""
    scripts = (
        f'\n<script src="{escape(one)}" defer></script>'
        for one in pasted_parts(source, base).scripts
    )
    shows = show_button(source.name) if _shows_button(source, base) else ""
    own = "\n".join(filter(None, (shows, _asking(source))))
    return _form(source, base, language) + "".join(scripts) + (f"\n{as_module(own)}" if own else "")


def as_fetch(source: Source, base: str, language: str) -> str:
    """Return it with a script that sends it and shows the answer below; without JavaScript it is
    sent all the same.
    """
    said = {
        "id": quoted(source.name),
        "lost": quoted(speaker(language)("not_reached")),
        "again": _again(source),
        "labels": quoted(_labels(source, language)),
        "sending": quoted(speaker(language)("sending")),
    }
    return f"{as_html(source, base, language)}\n{SCRIPT % said}"


def as_react(source: Source, base: str, language: str) -> str:
    """Return it as a React component."""
    labels = _labels(source, language)
    reader = _Jsx(labels)
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
    text = BUTTON.sub(lambda found: f"{found[1]}{shown}{found[2]}", text)
    text = text.replace("</form>", ANSWERS + "</form>")
    name = "".join(word.capitalize() for word in re.split(r"[_-]+", source.name)) + "Form"
    said = {
        "name": name if name[0].isalpha() else f"Form{name}",
        "lost": quoted(speaker(language)("not_reached")),
    }
    effects = [EFFECT % quoted(one) for one in pasted_parts(source, base).scripts]
    if asks := _asking(source):
        effects.append(EFFECT_ASKING % indent(asks, "    "))
    said |= {"hooks": "useEffect, useState" if effects else "useState", "effects": "".join(effects)}
    said |= {"again": _again(source), "labels": quoted(labels)}
    return COMPONENT % {
        **said,
        "form": "\n".join(f"    {line}" if line else "" for line in text.splitlines()),
    }


def _asking(source: Source) -> str:
    captcha = captcha_of(source)
    return asking(captcha, source.name) if captcha is not None else ""


def _again(source: Source) -> str:
    """What makes the captcha ready for another submission: what it gave is good once."""
    captcha = captcha_of(source)
    again = KINDS[captcha.kind].again if captcha is not None else ""
    return f"\n        {again}" if again else ""


def _labels(source: Source, language: str) -> dict[str, str]:
    """What each field is called in a message, and what a fault of none of them is said of."""
    fields = form_view(source, language, None, HiddenParts()).fields
    return {
        "": speaker(language)("whole_form"),
        **{field.control.name: field.control.label for field in fields},
    }


def _shows_button(source: Source, base: str) -> bool:
    """Return whether the page itself must show the button: a captcha's script knows nothing of it,
    ours shows it.
    """
    return pasted_parts(source, base).needs_script and not has_work(source)


def _submit_text(source: Source, language: str) -> str:
    return form_view(source, language, None, HiddenParts()).submit


def _form(source: Source, base: str, language: str, *, in_react: bool = False) -> str:
    """Return the form. In React, which draws nothing without JavaScript, the component itself says
    what its button shows.
    """
    view = form_view(source, language, f"{base}/hooks/{source.name}", pasted_parts(source, base))
    if in_react:
        view = replace(view, parts=replace(view.parts, scripts=(), needs_script=False))
    return str(environment().get_template("form_macros.html").module.form(view, speaker(language)))  # type: ignore[attr-defined]  # Jinja makes the macros at run time


class _Jsx(HTMLParser):
    """Writes the HTML of our macros as JSX. https://react.dev/learn/writing-markup-with-jsx

    The fields named are marked where the answer says that something is wrong with them.
    """

    def __init__(self, names: Container[str]) -> None:
        super().__init__(convert_charrefs=True)
        self._names = names
        self._pieces: list[str] = []
        # where the last tag of an element begins that has its value as an attribute
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
            tag in ASKED
            and given.get("type") != "hidden"
            and (name := given.get("name") or "") in self._names
        ):
            written.append(f"aria-invalid={{faults[{quoted(name)}] ? true : undefined}}")
        self._open[tag] = len(self._pieces)
        self._pieces.append(" ".join([f"<{tag}", *written]) + (" />" if tag in VOID else ">"))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
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
        self._pieces[at] = f"{self._pieces[at][:-1]} defaultValue={{{quoted(value)}}}>"


def _attribute(name: str, value: str | None, *, keeps_value: bool) -> str:
    if name == "style":
        rules = (rule.partition(":") for rule in (value or "").split(";") if rule)
        return (
            "style={{ " + ", ".join(f"{rule}: {quoted(given)}" for rule, _, given in rules) + " }}"
        )
    known = REACT.get(name, name)
    if value is None:
        return known
    if known in NUMBERS:
        return f"{known}={{{value}}}"
    known = "defaultValue" if name == "value" and not keeps_value else known
    return (
        f'{known}="{escape(value)}"'
        if re.fullmatch(r'[^"\\\n{}&<>]*', value)
        else f"{known}={{{quoted(value)}}}"
    )
