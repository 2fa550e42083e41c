"""The views of a form for the templates: hosted, shown again with its values, or embedded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bridge.core.errors import FieldFault
from bridge.core.model import JSON
from bridge.ingest.forms.control_fields import role_of, split_control_fields
from bridge.ingest.forms.controls import Control, controls, guess_control
from bridge.ingest.forms.translations import texts
from bridge.ingest.forms.validation import extensions
from bridge.routing.form import Form
from bridge.routing.model import Source
from bridge.web.forms.field_values import MAX_SHOWN_FIELDS, hidden_pairs, shown_values, value_texts
from bridge.web.forms.hidden_fields import AntiSpamFields

NO_VALUES: Mapping[str, Any] = MappingProxyType({})
#: Faults of values that a number or date field cannot show: a browser empties it.
FAULTS_OF_TYPE = frozenset({"no_integer", "no_number", "no_date"})


@dataclass(frozen=True, slots=True)
class FieldView:
    """A control with its id in the page, its value, and the error of that value."""

    control: Control
    id: str
    value: str | tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormView:
    """The data of a form for the macros. `action` is None if it is sent to the page's own URL."""

    id: str
    action: str | None
    fields: Sequence[FieldView]
    submit: str
    parts: AntiSpamFields
    kept: Sequence[tuple[str, str]] = ()  # hidden fields, unchanged

    @property
    def hidden(self) -> list[tuple[str, str]]:
        return [*self.kept, *self.parts.inputs.items()]

    @property
    def honeypot(self) -> str:
        return self.parts.honeypot

    @property
    def widget(self) -> Markup:
        return self.parts.widget

    @property
    def scripts(self) -> tuple[str, ...]:
        return self.parts.scripts

    @property
    def multipart(self) -> bool:
        return any(field.control.kind == "file" for field in self.fields)


@cache
def templates() -> Environment:
    """Return the templates of this package. Values are escaped, and a missing one is an error."""
    return Environment(
        loader=PackageLoader("bridge.web.forms"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=False,
    )


def translator(language: str) -> Callable[..., str]:
    """Return the function that gives the templates their translated texts."""
    return partial(texts.text, language)


def form_view(source: Source, language: str, action: str | None, parts: AntiSpamFields) -> FormView:
    """Return the empty form of a source; without a schema it has example fields."""
    fields = _fields(source, language, _controls(source, language))
    return FormView(
        id=source.name, action=action, fields=fields, submit=_submit(source, language), parts=parts
    )


def filled_view(
    source: Source,
    form: Form,
    language: str,
    sent: Mapping[str, JSON],
    faults: Mapping[str, FieldFault],
    parts: AntiSpamFields,
    follows: str | None = None,
    files: Sequence[str] = (),
) -> FormView:
    """Return the form with the submitted values, and the errors beside the fields.

    Without a schema it has the submitted fields. Control fields are repeated, except proofs that a
    person sent the form, which are valid once; `follows`, the page that follows, is a whole URL,
    since the form is now on another site. `files`: the fields with files, which no page can fill in
    again.
    """
    typed, control = split_control_fields(sent, form)
    listed = controls(form.schema_document) if form.schema_document else ()
    form_controls = listed or (
        *map(_of_sent, list(typed.items())[:MAX_SHOWN_FIELDS]),
        *map(_of_file, dict.fromkeys(files)),
    )
    control_names = {form_control.name for form_control in form_controls}
    kept = {
        name: value
        for name, value in control.items()
        if role_of(name, form) not in ("honeypot", "proof", "redirect")
    }
    kept |= {
        name: value
        for name, value in typed.items()
        if name not in control_names and name not in faults
    }
    kept |= {"_next": follows} if follows else {}
    fields = _fields(source, language, form_controls, sent, faults)
    return FormView(
        id=source.name,
        action=None,
        fields=fields,
        submit=_submit(source, language),
        parts=parts,
        kept=hidden_pairs(kept),
    )


def _submit(source: Source, language: str) -> str:
    return (source.form and source.form.page.submit) or texts.text(language, "submit")


def _fields(
    source: Source,
    language: str,
    listed: Sequence[Control],
    sent: Mapping[str, JSON] = NO_VALUES,
    faults: Mapping[str, FieldFault] = NO_VALUES,
) -> list[FieldView]:
    name_once = _Names()
    fields = []
    for listed_control in listed:
        control = (
            _accepting(listed_control, source.form)
            if listed_control.kind == "file"
            else listed_control
        )
        fault = faults.get(control.name)
        if fault is not None and fault.key in FAULTS_OF_TYPE:
            control = _as_text(control)
        for value in shown_values(control, sent) if sent else [control.value]:
            name = name_once(f"{source.name}-{control.slug}")
            fields.append(
                FieldView(
                    control, name, value, texts.describe_fault(language, fault) if fault else ""
                )
            )
    return fields


class _Names:
    """Makes ids unique: a repeated one gets a number. Each takes constant time."""

    def __init__(self) -> None:
        self._given: set[str] = set()
        self._numbers: Counter[str] = Counter()

    def __call__(self, base_name: str) -> str:
        name = base_name
        while name in self._given:
            self._numbers[base_name] += 1
            name = f"{base_name}-{self._numbers[base_name]}"
        self._given.add(name)
        return name


def _controls(source: Source, language: str) -> Sequence[Control]:
    if source.form and source.form.schema_document:
        return controls(source.form.schema_document)
    say = translator(language)
    return (
        Control(
            name="name",
            label=say("example_name"),
            attributes={"type": "text", "autocomplete": "name"},
            required=True,
        ),
        Control(
            name="email",
            label=say("example_email"),
            attributes={"type": "email", "autocomplete": "email"},
            required=True,
        ),
        Control(
            name="message",
            label=say("example_message"),
            kind="textarea",
            attributes={"rows": 6},
            required=True,
        ),
    )


def _of_sent(field: tuple[str, JSON]) -> Control:
    """Return the control for a field of which only the value is known."""
    name, value = field
    made = guess_control(name, "\n".join(value_texts(value)))
    if isinstance(value, list):
        return replace(
            made,
            kind="choices",
            attributes={},
            options=tuple((option, option) for option in dict.fromkeys(value_texts(value))),
        )
    return made


def _of_file(name: str) -> Control:
    return replace(guess_control(name, ""), kind="file", attributes={"multiple": True})


def _accepting(control: Control, form: Form | None) -> Control:
    """Return the control of a file with the allowed extensions, for the browser's file dialog."""
    allowed = extensions(form.files) if form is not None and form.files is not None else []
    return (
        replace(
            control,
            attributes={
                **control.attributes,
                "accept": ",".join(f".{extension}" for extension in allowed),
            },
        )
        if allowed
        else control
    )


def _as_text(control: Control) -> Control:
    """Return a text control, which can show any value."""
    kept = {
        name: value
        for name, value in control.attributes.items()
        if name in ("inputmode", "autocomplete")
    }
    return replace(control, attributes={"type": "text", **kept})
