"""Advice as JSON: its sentence, and its commands. Pure."""

from __future__ import annotations

from typing import Final

from bridge.core.advice import Advice, Command
from bridge.services.records.json_record import (
    OBJECT,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    JsonRecord,
    Key,
    ValueType,
)

#: The sentence of an advice; its commands are not in it.
SENTENCE: Final = ValueType(TEXT.schema, str, Advice)
COMMAND: Final = JsonRecord(
    "",
    Command,
    Key("command", TEXT, "line"),
    Key("operation", TEXT_OR_NULL),
    Key("ids", TEXTS),
    Key("filters", OBJECT),
)
