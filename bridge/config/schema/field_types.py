"""Field types of the models of routes.yaml, and their base class."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from bridge.config.schema import units
from bridge.core.retention import MIN_RETENTION_SECONDS


def parse_texts(value: Any) -> tuple[str, ...]:
    """Return one text or a list of texts as a tuple; ValueError if there is none."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and value and all(isinstance(text, str) for text in value):
        return tuple(value)
    if value == []:
        raise ValueError("needs at least one text")
    raise ValueError("needs a text or a list of texts")


def require_text_or(value: Any, kind: type, what: str) -> Any:
    """Return `value` if it is a text that is not empty, or of type `kind`; else ValueError."""
    if not isinstance(value, (str, kind)) or value == "":
        raise ValueError(f"needs {what}")
    return value


Duration = Annotated[
    float,
    BeforeValidator(units.parse_duration),
    WithJsonSchema({"type": "string", "pattern": units.DURATION_PATTERN}),
]
RateOf = Annotated[
    Any,
    BeforeValidator(units.parse_rate),
    WithJsonSchema({"type": "string", "pattern": units.RATE_PATTERN}),
]
RunFailed = Annotated[
    Any,
    BeforeValidator(units.parse_run_failed),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": units.RUN_FAILED_PATTERN},
                {
                    "type": "object",
                    "properties": {
                        "retry": {"type": "integer", "minimum": 1, "maximum": units.MAX_RERUNS}
                    },
                    "required": ["retry"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
Expected = Annotated[
    Any,
    BeforeValidator(units.parse_expected),
    WithJsonSchema({"type": "string", "pattern": units.EXPECTED_PATTERN}),
]
FormRate = Annotated[
    Any,
    BeforeValidator(units.parse_form_rate),
    WithJsonSchema({"type": "string", "pattern": units.FORM_RATE_PATTERN}),
]
Moment = Annotated[float, BeforeValidator(units.parse_moment), WithJsonSchema({"type": "string"})]
Size = Annotated[
    Any,
    BeforeValidator(units.parse_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "string", "pattern": units.SIZE_PATTERN},
            ]
        }
    ),
]
Memory = Annotated[
    Any,
    BeforeValidator(units.parse_memory),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": units.MEMORY_BYTES_RANGE[0]},
                {"type": "string", "pattern": units.MEMORY_PATTERN},
            ]
        }
    ),
]
_AGE = {"type": "string", "pattern": units.AGE_PATTERN}
Age = Annotated[float, BeforeValidator(units.parse_age), WithJsonSchema(_AGE)]
RetentionOf = Annotated[
    Any,
    BeforeValidator(units.parse_retention),
    WithJsonSchema(
        {
            "anyOf": [
                _AGE,
                {
                    "type": "object",
                    "properties": dict.fromkeys(MIN_RETENTION_SECONDS, _AGE),
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
TEXTS_SCHEMA = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
)
Texts = Annotated[Any, AfterValidator(parse_texts), TEXTS_SCHEMA]
SchemaOf = Annotated[
    Any,
    AfterValidator(
        lambda value: require_text_or(value, dict, "the path of a schema file, or a schema")
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "description": "a file under the folder of routes.yaml"},
                {"type": "object"},
            ]
        }
    ),
]


class StrictModel(BaseModel):
    """The base of all models: unknown keys are errors, values are not converted or changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
