"""The captcha of an embedded form: a widget, or a script that runs when the form is sent."""

from __future__ import annotations

from textwrap import indent

from markupsafe import Markup

from bridge.ingest.forms.spam.captchas import CAPTCHA_SERVICES
from bridge.routing.form import Captcha
from bridge.routing.model import Source
from bridge.web.forms.javascript import quote

DEFAULT_ACTION = "submit"  # as Google's own examples call it
#: Without the service's script the form is sent as it is: the server decides what that means.
SUBMIT_SCRIPT = """const form = document.getElementById(%(id)s);
let asked = false;
const ask = (event) => {
  if (asked || !globalThis.grecaptcha) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const button = event.submitter;
  grecaptcha.ready(async () => {
    const answer = await grecaptcha.execute(%(key)s, { action: %(action)s });
    form.elements.namedItem(%(field)s).value = answer;
    asked = true;
    try { form.requestSubmit(button); } finally { asked = false; }
  });
};
form.addEventListener("submit", ask, true);"""

#: The button of a form that needs JavaScript is hidden and disabled until this runs.
SHOW_BUTTON = """for (const button of document.getElementById(%(id)s).querySelectorAll("[data-needs-script]")) {
  button.hidden = false;
  button.disabled = false;
}"""


def captcha_of(source: Source) -> Captcha | None:
    """Return the captcha of a form, None if it has none."""
    return source.form.spam.captcha if source.form is not None else None


def widget(captcha: Captcha) -> Markup:
    """Return the element of the widget, or a comment in its place while `site_key` is unset."""
    kind = CAPTCHA_SERVICES[captcha.kind]
    if captcha.site_key is None:
        return Markup(
            "<!-- Set `site_key` in routes.yaml to insert the widget of {} here. -->"
        ).format(kind.title)
    if not kind.widget:
        return Markup('<input type="hidden" name="{}">').format(kind.fields[0])
    action = Markup(' data-action="{}"').format(captcha.action) if captcha.action else ""
    return Markup('<div class="{}" data-sitekey="{}"{}></div>').format(
        kind.widget, captcha.site_key, action
    )


def scripts(captcha: Captcha) -> tuple[str, ...]:
    """Return the URLs of the scripts that the widget needs."""
    return (
        (CAPTCHA_SERVICES[captcha.kind].script.format(key=captcha.site_key),)
        if captcha.site_key
        else ()
    )


def submit_script(captcha: Captcha, form_id: str) -> str:
    """Return the script that runs the captcha when the form is sent, empty for a widget."""
    kind = CAPTCHA_SERVICES[captcha.kind]
    if kind.widget or captcha.site_key is None:
        return ""
    said = {
        "id": form_id,
        "key": captcha.site_key,
        "action": captcha.action or DEFAULT_ACTION,
        "field": kind.fields[0],
    }
    return SUBMIT_SCRIPT % {name: quote(value) for name, value in said.items()}


def show_button(form_id: str) -> str:
    """Return the script that shows the button of a form that needs JavaScript."""
    return SHOW_BUTTON % {"id": quote(form_id)}


def as_module(script: str) -> str:
    """Return a script as HTML that runs once the page is loaded."""
    return f'<script type="module">\n{indent(script, "  ")}\n</script>'
