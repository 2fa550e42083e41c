"""Submissions of forms as JSON, in the lists of the admin API and in exports. Pure."""

from __future__ import annotations

from typing import Final

from bridge.core.units import iso
from bridge.services.exports import ExportedSubmission
from bridge.services.records.json_record import (
    NAME,
    OBJECT,
    TIME,
    JsonRecord,
    Key,
    ValueType,
    parse_time,
    require_object,
    require_text,
)

_ID: Final = ValueType(NAME.schema, None, require_text)
#: An event of a form, with its fields.
SUBMISSION: Final = JsonRecord(
    "Submission",
    ExportedSubmission,
    Key("received_at", ValueType(TIME.schema, iso, parse_time)),
    Key("id", _ID),
    Key("source", _ID),
    Key("type", _ID.or_null()),
    Key("fields", ValueType(OBJECT.schema, dict, require_object)),
    needs_contents=True,
)
