"""Answers in the bodies of form services, as one flat object {label: value}. Pure.

A value is a text, a number, a boolean, or a list of these. Parts of an answer (first and last name)
get a label each. Questions with the same label get a number. Undocumented content is omitted, never
an error: the whole body is available beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import orjson

from bridge.core.model import JSON

MAX_LABELS = 1000  # labels of one submission
MAX_LABEL_CHARACTERS = 200  # characters

LabelledValues = Iterator[tuple[Any, JSON]]

_JOTFORM = re.compile(r"q\d+_(.+)", re.DOTALL)
_JOTFORM_DIGITS = re.compile(r"\d{0,4}")


def flatten_answers(pairs: Iterable[tuple[Any, JSON]]) -> dict[str, JSON]:
    """Return labels and values as one object, without empty answers."""
    fields: dict[str, JSON] = {}
    for label, value in _parts(pairs):
        if len(fields) >= MAX_LABELS:
            break
        name = label[:MAX_LABEL_CHARACTERS].strip()
        number = 1
        unique = name
        while unique in fields:
            number += 1
            unique = f"{name} ({number})"
        if name:
            fields[unique] = value
    return fields


def _parts(pairs: Iterable[tuple[Any, JSON]]) -> Iterator[tuple[str, JSON]]:
    for label, value in pairs:
        if not isinstance(label, str) or value in (None, "", [], {}):
            continue
        if isinstance(value, dict):
            yield from (
                (f"{label} {part}", content)
                for part, content in value.items()
                if _plain(content) and content not in (None, "")
            )
        elif isinstance(value, list):
            yield label, [entry if _plain(entry) else _text(entry) for entry in value]
        else:
            yield label, value


def _plain(value: JSON) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))


def _text(value: JSON) -> JSON:
    """Return a text for an object in a list: its URL, its name, or its JSON."""
    if isinstance(value, dict):
        for key in ("url", "label", "text", "name"):
            if isinstance(value.get(key), str):
                return value[key]
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return None


def _at(value: JSON, path: str) -> JSON:
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _objects(value: JSON) -> list[dict[str, JSON]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def read_answer_list(body: JSON, *, at: str, label: str, value: str) -> dict[str, JSON]:
    """Return the answers in a list of objects with a label and a value each."""
    return flatten_answers(
        (answer.get(label), answer.get(value)) for answer in _objects(_at(body, at))
    )


def read_answer_object(body: JSON, *, at: str) -> dict[str, JSON]:
    """Return the answers in an object whose names are the labels."""
    answers = _at(body, at)
    return flatten_answers(answers.items()) if isinstance(answers, dict) else {}


def typeform(body: JSON) -> dict[str, JSON]:
    """Read Typeform's answers: questions and answers are separate lists, as are hidden fields.

    Spec: https://www.typeform.com/developers/webhooks/example-payload/
    """
    response = _at(body, "form_response")
    titles = {
        field.get("id"): field.get("title")
        for field in _objects(_at(response, "definition.fields"))
        if isinstance(field.get("id"), str)
    }

    def pairs() -> LabelledValues:
        for answer in _objects(_at(response, "answers")):
            kind = answer.get("type")
            field_id = _at(answer, "field.id")
            title = titles.get(field_id) if isinstance(field_id, str) else None
            value = answer.get(kind) if isinstance(kind, str) else None
            if isinstance(value, dict) and kind in ("choice", "choices"):
                value = (
                    _chosen(value)
                    if kind == "choices"
                    else value.get("label") or value.get("other")
                )
            yield title or _at(answer, "field.ref"), value
        hidden = _at(response, "hidden")
        yield from hidden.items() if isinstance(hidden, dict) else ()

    return flatten_answers(pairs())


def _chosen(choices: dict[str, JSON]) -> list[JSON]:
    labels = choices.get("labels")
    other = choices.get("other")
    return [*(labels if isinstance(labels, list) else []), *([other] if other else [])]


def tally(body: JSON) -> dict[str, JSON]:
    """Read Tally's answers: choices are ids, whose texts are in `options`.

    Spec: https://tally.so/help/webhooks
    """

    def pairs() -> LabelledValues:
        for field in _objects(_at(body, "data.fields")):
            label = field.get("label") or field.get("key")
            value = field.get("value")
            texts = {
                option.get("id"): option.get("text")
                for option in _objects(field.get("options"))
                if isinstance(option.get("id"), str)
            }
            if texts and isinstance(value, list):
                choices = [
                    texts.get(option_id, option_id) if isinstance(option_id, str) else option_id
                    for option_id in value
                ]
                value = (
                    choices[0]
                    if len(choices) == 1 and field.get("type") in ("MULTIPLE_CHOICE", "DROPDOWN")
                    else choices
                )
            if field.get("type") == "CHECKBOXES" and isinstance(value, bool):
                continue  # repeats one box of the list
            yield label, value

    return flatten_answers(pairs())


def jotform(body: JSON) -> dict[str, JSON]:
    """Read Jotform's answers: JSON in rawRequest, with keys such as q3_name.

    Spec: https://www.jotform.com/help/245-how-to-setup-a-webhook-with-jotform/
    """
    try:
        raw = orjson.loads(body["rawRequest"])
        answers = [
            (match[1], value) for name, value in raw.items() if (match := _JOTFORM.fullmatch(name))
        ]
    except (TypeError, KeyError, AttributeError, ValueError):
        return {}
    return flatten_answers((name, _joined(value)) for name, value in answers)


def _joined(value: JSON) -> JSON:
    """Join a date, a time or a telephone number, which arrives in parts of digits."""
    if (
        isinstance(value, dict)
        and value
        and all(
            isinstance(digits, str) and _JOTFORM_DIGITS.fullmatch(digits)
            for digits in value.values()
        )
    ):
        return "-".join(digits for digits in value.values() if digits)
    return value


def formstack(body: JSON) -> dict[str, JSON]:
    """Read Formstack's answers: members beside the ids, with their field_type if configured.

    Spec: https://developers.formstack.com/docs/webhook-examples
    """
    if not isinstance(body, dict):
        return {}
    answers = [
        (label, value)
        for label, value in body.items()
        if label not in ("FormID", "UniqueID", "HandshakeKey")
    ]
    return flatten_answers((label, _untyped(value)) for label, value in answers)


def _untyped(value: JSON) -> JSON:
    if not isinstance(value, dict) or "field_type" not in value:
        return value
    return (
        value["value"]
        if "value" in value
        else {part: content for part, content in value.items() if part != "field_type"}
    )


def cal_com(body: JSON) -> dict[str, JSON]:
    """Read Cal.com's responses, which are objects by name with a label each.

    Spec: https://cal.com/docs/developing/guides/automation/webhooks
    """
    responses = _at(body, "payload.responses")
    answers: Iterable[tuple[str, JSON]] = (
        responses.items() if isinstance(responses, Mapping) else ()
    )
    return flatten_answers(
        (response.get("label") or name, response.get("value"))
        for name, response in answers
        if isinstance(response, dict)
    )


def calendly(body: JSON) -> dict[str, JSON]:
    """Read Calendly's name and email, then the questions.

    Spec: https://developer.calendly.com/api-docs
    """

    def pairs() -> LabelledValues:
        yield from ((name, _at(body, f"payload.{name}")) for name in ("name", "email"))
        yield from (
            (question.get("question"), question.get("answer"))
            for question in _objects(_at(body, "payload.questions_and_answers"))
        )

    return flatten_answers(pairs())


def hubspot(body: JSON) -> dict[str, JSON]:
    """Read the name and value of the property that changed in HubSpot.

    Spec: https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3
    """
    return flatten_answers([(_at(body, "propertyName"), _at(body, "propertyValue"))])


IN_QUESTIONS = partial(
    read_answer_list, at="submission.questions", label="name", value="value"
)  # Fillout
IN_ANSWERS = partial(read_answer_object, at="answers")  # the script for Google Forms
IN_DATA = partial(read_answer_object, at="payload.data")  # Webflow
