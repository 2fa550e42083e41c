"""What the keys of routes.yaml hold: durations, rates, sizes, texts; and what all its parts share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from bridge.config import amounts
from bridge.retention import LEAST


def texts_of(value: Any) -> tuple[str, ...]:
    """Return the texts, of which there is one at least; ValueError where they are none."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return tuple(value)
    if value == []:
        raise ValueError("needs at least one text")
    raise ValueError("needs a text or a list of texts")


def text_or(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, (str, kind)) or value == "":
        raise ValueError(f"needs {what}")
    return value


Duration = Annotated[float, BeforeValidator(amounts.duration), WithJsonSchema({"type": "string", "pattern": amounts.DURATION})]
RateOf = Annotated[Any, BeforeValidator(amounts.plain_rate), WithJsonSchema({"type": "string", "pattern": amounts.RATE})]
RunFailed = Annotated[
    Any,
    BeforeValidator(amounts.run_failed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": amounts.RUN_FAILED},
                {
                    "type": "object",
                    "properties": {"retry": {"type": "integer", "minimum": 1, "maximum": amounts.MAX_RERUNS}},
                    "required": ["retry"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Expected = Annotated[Any, BeforeValidator(amounts.expected), WithJsonSchema({"type": "string", "pattern": amounts.EXPECTED})]
FormRate = Annotated[Any, BeforeValidator(amounts.form_rate), WithJsonSchema({"type": "string", "pattern": amounts.FORM_RATE})]
Moment = Annotated[float, BeforeValidator(amounts.moment), WithJsonSchema({"type": "string"})]
Size = Annotated[
    Any,
    BeforeValidator(amounts.size),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": amounts.SIZE}]}),
]
Memory = Annotated[
    Any,
    BeforeValidator(amounts.memory),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": amounts.MEMORIES[0]}, {"type": "string", "pattern": amounts.MEMORY}]}),
]
_AGE = {"type": "string", "pattern": amounts.AGE}
Age = Annotated[float, BeforeValidator(amounts.age), WithJsonSchema(_AGE)]
Kept = Annotated[
    Any,
    BeforeValidator(amounts.retention),
    WithJsonSchema({"anyOf": [_AGE, {"type": "object", "properties": dict.fromkeys(LEAST, _AGE), "additionalProperties": False}]}),
]
TEXTS = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
Texts = Annotated[Any, AfterValidator(texts_of), TEXTS]
SchemaOf = Annotated[
    Any,
    AfterValidator(lambda value: text_or(value, dict, "the path of a schema file, or a schema")),
    WithJsonSchema({"anyOf": [{"type": "string", "description": "a file under the folder of routes.yaml"}, {"type": "object"}]}),
]


class Written(BaseModel):
    """What all parts share: unknown keys are errors, nothing changes after reading, no value is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
