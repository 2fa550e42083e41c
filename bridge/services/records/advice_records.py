"""Advice as JSON: its sentence, and its commands. Pure."""

from __future__ import annotations

from typing import Final

from bridge.core.advice import Advice, Command
from bridge.services.records.json_record import (
    NAME_OR_NULL,
    NAMES,
    OBJECT,
    OWN_TEXT,
    JsonRecord,
    Key,
    ValueType,
    public,
)

#: The sentence of an advice; its commands are not in it.
SENTENCE: Final = public(ValueType(OWN_TEXT.schema, str, Advice))
#: A command in a sentence, and the operation that it carries out, as in `POST /operations`.
COMMAND: Final = JsonRecord(
    "Advice",
    Command,
    Key("command", OWN_TEXT, "line"),
    Key("operation", NAME_OR_NULL),
    Key("ids", NAMES),
    Key("filters", public(OBJECT)),
)
