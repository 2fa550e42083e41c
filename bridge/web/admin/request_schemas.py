"""JSON Schemas of the bodies of requests to the admin API, by name.

A body has no keys but those of its schema. References to other schemas are not followed.
"""

from __future__ import annotations

from typing import Final

from bridge.core.operations import NOW, THEN
from bridge.core.scopes import Scope
from bridge.routing.schemas.inference import MAX_SCHEMA_DEPTH
from bridge.services.operation_commands import (
    COMMANDS,
    MAX_REASON_CHARS,
    RESOLUTIONS,
)
from bridge.services.operation_selection import MAX_IDS, MAX_ITEMS
from bridge.services.records.json_schema import Schema
from bridge.services.records.json_schema import word as _word
from bridge.services.trials.messages import MAX_EXPLAINED_EVENTS, MAX_TRIAL_EVENTS
from bridge.services.trials.trial import MAX_TRIAL_CHARS, MAX_TRIAL_IDS
from bridge.web.admin.parameter_reader import Parameter
from bridge.web.admin.parameters import filter_parameters

MODES: Final = ("dry_run", "propose", "do")
MAX_FILTER_CHARS: Final = 1000
MAX_NAME_CHARS: Final = 200
MAX_HOLD_REASON_CHARS: Final = 500
MAX_LEARN_SECONDS: Final = 3600
MAX_CONFIG_FILES: Final = 50
#: How deep a body may nest that contains an inferred schema; others have `MAX_BODY_DEPTH`.
BODY_DEPTHS: Final = {"DriftRequest": MAX_SCHEMA_DEPTH + 1}
#: Filters of operations: those of the lists that are no parameters of a page.
OPERATION_FILTERS: Final = tuple(
    one for one in filter_parameters(of_events=True) if one.name not in ("limit", "before", "spam")
)


def body_schema(*required: str, **properties: Schema) -> Schema:
    """Return the schema of an object with these keys, of which some are required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _text(most: int) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": most}


def _filter(one: Parameter) -> Schema:
    text = _text(MAX_FILTER_CHARS)
    if one.max_count == 1:
        return {**text, "description": one.doc}
    return {
        "type": ["string", "array"],
        "description": one.doc,
        "items": text,
        "maxItems": one.max_count,
    }


_FILTERS: Final = body_schema(**{one.name: _filter(one) for one in OPERATION_FILTERS})
_ROUTES_TEXT: Final[Schema] = {"type": "string", "maxLength": MAX_TRIAL_CHARS}
_FILES: Final[Schema] = {
    "type": "object",
    "description": "The other files, by their path under the folder of routes.yaml.",
    "additionalProperties": {"type": "string"},
    "maxProperties": MAX_CONFIG_FILES,
}
REQUEST_SCHEMAS: Final[dict[str, Schema]] = {
    "OperationRequest": body_schema(
        "command",
        "mode",
        command=_word(*COMMANDS),
        mode=_word(*MODES),
        ids={"type": "array", "items": _text(MAX_NAME_CHARS), "minItems": 1, "maxItems": MAX_IDS},
        filters=_FILTERS,
        how=body_schema(
            to=_word(*RESOLUTIONS),
            run_id=_text(MAX_NAME_CHARS),
            force={"type": "boolean"},
            reason=_text(MAX_REASON_CHARS),
            through=_text(MAX_NAME_CHARS),
            routes=_word(NOW, THEN),
            rate=_text(MAX_NAME_CHARS),
        ),
        expect={"type": "integer", "minimum": 0, "maximum": MAX_ITEMS},
    ),
    "TokenRequest": body_schema(
        "name",
        "scopes",
        name=_text(MAX_NAME_CHARS),
        scopes={
            "type": "array",
            "items": _word(*(one.value for one in Scope)),
            "minItems": 1,
            "maxItems": len(Scope),
        },
        expires=_text(MAX_NAME_CHARS),
    ),
    "RunRequest": body_schema(
        "flow",
        flow={
            **_text(MAX_NAME_CHARS),
            "description": "A name under `flows` of routes.yaml, or PLATFORM/FLOW.",
        },
        inputs={"type": "object", "description": "By the names of the flow's inputs."},
    ),
    "ConfigCheckRequest": body_schema(
        "text",
        text={"type": "string"},
        files=_FILES,
    ),
    "TrialRequest": body_schema(
        "text",
        text=_ROUTES_TEXT,
        files=_FILES,
        ids={"type": "array", "items": _text(MAX_NAME_CHARS), "maxItems": MAX_TRIAL_IDS},
        filters=_FILTERS,
        limit={"type": "integer", "minimum": 1, "maximum": MAX_TRIAL_EVENTS},
        against=_word(NOW, THEN),
        against_text=_ROUTES_TEXT,
        against_files=_FILES,
        explain={
            "type": "boolean",
            "description": f"Also explain the newest {MAX_EXPLAINED_EVENTS} events by `text`.",
        },
        explain_changed={
            "type": "boolean",
            "description": f"The same for the newest {MAX_EXPLAINED_EVENTS} that changed instead.",
        },
        screen={
            "type": "boolean",
            "description": "Explanations have the key `screen`, with what commands print.",
        },
    ),
    "DriftRequest": body_schema(
        "source",
        "type",
        "schema",
        source=_text(MAX_NAME_CHARS),
        type=_text(MAX_NAME_CHARS),
        schema={"type": "object", "description": "An earlier schema of `/types/schema`."},
    ),
    "HoldRequest": body_schema(reason=_text(MAX_HOLD_REASON_CHARS)),
    "LearnRequest": body_schema(
        seconds={"type": "integer", "minimum": 0, "maximum": MAX_LEARN_SECONDS}
    ),
}
