"""Control fields of a form, with the names that the known form services use. Pure.

They are not answers: `form` does not have them, `body` does (`body._subject`). A field in the
source's schema is an ordinary field, unless its role is `proof`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bridge.core.model import JSON
from bridge.routing.form import Form


@dataclass(frozen=True, slots=True)
class ControlField:
    """A control field and its use.

    `role`: how flowbridge uses it, empty if only routes can use it. `only_with`: another field
    without which it is an ordinary field, because its name alone is too common.
    """

    name: str
    of: str
    does: str
    role: str = ""  # redirect | language | honeypot | proof
    only_with: str = ""


#: In order: the first allowed redirect is used.
CONTROL_FIELDS = (
    ControlField(
        "_next", "Formspree", "the page to redirect to, if its site is allowed", "redirect"
    ),
    ControlField("_redirect", "Basin", "the same", "redirect"),
    ControlField("redirect", "Web3Forms", "the same", "redirect"),
    ControlField("_language", "Formspree", "the language of the answer", "language"),
    ControlField(
        "_gotcha",
        "Formspree, Basin",
        "a honeypot: it is hidden, so only a bot fills it in",
        "honeypot",
    ),
    ControlField("bot-field", "Netlify", "the same", "honeypot"),
    ControlField("botcheck", "Web3Forms", "the same", "honeypot"),
    ControlField("_subject", "Formspree", "for routes: the subject of the mail"),
    ControlField("_replyto", "Formspree", "for routes: the reply address of the mail"),
    ControlField(
        "_cc", "Formspree", "for routes; flowbridge sends no mail to it: anyone can write it"
    ),
    ControlField("_format", "Formspree", "has no effect"),
    ControlField("form-name", "Netlify", "for routes: the name of the form"),
    ControlField("access_key", "Web3Forms", "has no effect: the URL identifies the form"),
    ControlField("subject", "Web3Forms", "for routes", only_with="access_key"),
    ControlField("from_name", "Web3Forms", "for routes", only_with="access_key"),
    ControlField("replyto", "Web3Forms", "for routes", only_with="access_key"),
    ControlField(
        "ccemail",
        "Web3Forms",
        "for routes; flowbridge sends no mail to it",
        only_with="access_key",
    ),
    ControlField("_token", "", "when the form was issued, signed by flowbridge", "proof"),
    ControlField("altcha", "", "a proof of work", "proof"),
    ControlField("g-recaptcha-response", "all", "the response of a captcha", "proof"),
    ControlField("recaptcha_response", "Web3Forms", "the same", "proof"),
    ControlField("h-captcha-response", "all", "the same", "proof"),
    ControlField("cf-turnstile-response", "all", "the same", "proof"),
)
_BY_NAME = {field.name: field for field in CONTROL_FIELDS}


def split_control_fields(
    fields: Mapping[str, JSON], form: Form
) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """Return a submission's ordinary fields and its control fields, in their order."""
    control = {name: value for name, value in fields.items() if _is_control(name, fields, form)}
    return {name: value for name, value in fields.items() if name not in control}, control


def _is_control(name: str, fields: Collection[str], form: Form) -> bool:
    row = _BY_NAME.get(name)
    if name in form.spam.honeypots or (row is not None and row.role == "proof"):
        return True
    return (
        row is not None
        and name not in form.properties
        and (not row.only_with or row.only_with in fields)
    )


def control_texts(control: Mapping[str, JSON], role: str) -> list[str]:
    """Return the non-empty texts of the control fields of a role, in the table's order."""
    values = (control.get(row.name) for row in CONTROL_FIELDS if row.role == role)
    return [value for value in values if isinstance(value, str) and value]


def role_of(name: str, form: Form) -> str:
    """Return the role of a field in a form, empty if it has none."""
    row = _BY_NAME.get(name)
    return "honeypot" if name in form.spam.honeypots else row.role if row else ""
