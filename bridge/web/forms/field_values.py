"""The submitted values that a form shows again."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.core.model import JSON
from bridge.ingest.forms.controls import Control

MAX_SHOWN_CHARACTERS = 200_000  # characters of a submission that a page shows again
MAX_SHOWN_FIELDS = 200
MAX_SHOWN_VALUES = 1000  # of all fields: of one name there may be several


def is_showable(sent: Mapping[str, JSON]) -> bool:
    """Return whether the submitted values are few and short enough for a page."""
    values = [text for value in sent.values() for text in value_texts(value)]
    characters = sum(map(len, sent)) + sum(map(len, values))
    return (
        len(sent) <= MAX_SHOWN_FIELDS
        and len(values) <= MAX_SHOWN_VALUES
        and characters <= MAX_SHOWN_CHARACTERS
    )


def shown_values(control: Control, sent: Mapping[str, JSON]) -> list[str | tuple[str, ...]]:
    """Return the values of a control; a text control is repeated for each value of its name."""
    texts = (
        [text for text in value_texts(sent.get(control.name)) if text]
        if control.kind in ("input", "textarea")
        else []
    )
    return [*texts] if len(texts) > 1 else [_value(control, sent)]


def _value(control: Control, sent: Mapping[str, JSON]) -> str | tuple[str, ...]:
    texts = tuple(value_texts(sent.get(control.name)))
    if control.kind == "choices":
        return texts
    if control.kind == "checkbox":
        ticked = {"on", "true", "yes", "1", str(control.attributes["value"]).lower()}
        return "true" if ticked.intersection(text.lower() for text in texts) else ""
    return texts[0] if texts and control.kind != "file" else ""


def value_texts(value: JSON) -> list[str]:
    """Return the texts of a value as a form sends them, without those that no form can send."""
    values = value if isinstance(value, list) else [value]
    return [
        str(entry).lower() if isinstance(entry, bool) else str(entry)
        for entry in values
        if isinstance(entry, str | int | float)
    ]


def hidden_pairs(fields: Mapping[str, JSON]) -> list[tuple[str, str]]:
    return [(name, text) for name, value in fields.items() for text in value_texts(value)]
