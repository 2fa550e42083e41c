"""Saved flows, their inputs and runs as JSON. Pure.

Without contents, the label of its cause stands in the place of what a platform answered.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from bridge.core.model import JSON, DeadKind
from bridge.core.status import Outcome, OutcomeKind, RunReport
from bridge.delivery.platforms.model import InputNode, KillReport, ListedRun, SavedFlow
from bridge.services.records.delivery_records import RUN_STATE, find_label
from bridge.services.records.json_record import (
    ANY,
    FILLED_TEXT,
    FLAG,
    NAME,
    NAME_OR_NULL,
    NAMES,
    OWN_TEXT_OR_NULL,
    OWN_TEXTS,
    TEXTS,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    public,
    to_empty,
    to_null,
    word_of,
)


def find_answer_label(text: JSON) -> str | None:
    """Return the label of what a platform answered, which may quote the inputs of a start."""
    return find_label(text, DeadKind.PLATFORM)


def to_answer_label(text: JSON, _record: object) -> str | None:
    """Hide a text that a platform answered."""
    return find_answer_label(text)


_PLATFORM: Final = Key("platform", NAME, is_given=True)
_FLOW_ID: Final = Key("saved_item_id", NAME, is_given=True)
_RUN_ID: Final = Key("run_id", NAME, is_given=True)

FLOW: Final = JsonRecord(
    "Flow",
    SavedFlow,
    _PLATFORM,
    Key("saved_item_id", NAME, "id"),
    Key("name", NAME),
    Key("description", public(FILLED_TEXT)),
    Key("created_at", TIME_OR_NULL),
)
FLOW_INPUT: Final = JsonRecord(
    "FlowInput",
    InputNode,
    _PLATFORM,
    _FLOW_ID,
    Key("name", NAME),
    Key(
        "type",
        public(FILLED_TEXT),
        get=lambda node: node.type if node.annotation is None else node.annotation,
    ),
    Key("description", public(FILLED_TEXT)),
)
#: The outcome of a start by hand; nothing is known of its run yet. `notes` are about the inputs.
STARTED_RUN: Final = JsonRecord(
    "StartedRun",
    Outcome,
    _PLATFORM,
    _FLOW_ID,
    Key("outcome", word_of(OutcomeKind, OutcomeKind), "kind"),
    Key("detail", FILLED_TEXT, hide=to_answer_label),
    Key("run_id", NAME_OR_NULL),
    Key("run_url", NAME_OR_NULL),
    Key("run_state", RUN_STATE, get=lambda _: None),
    Key("outputs", public(ANY), get=lambda _: None),
    Key("log", NAMES, get=lambda _: []),
    Key("notes", OWN_TEXTS, is_given=True),
    Key("hint", OWN_TEXT_OR_NULL, is_given=True),
)
RUN_REPORT: Final = JsonRecord(
    "RunReport",
    RunReport,
    _PLATFORM,
    _RUN_ID,
    Key("run_state", RUN_STATE, "state"),
    Key("raw_state", NAME_OR_NULL),
    Key("outputs", ANY, hide=to_null),
    Key("log", TEXTS, hide=to_empty),
    Key("created_at", TIME_OR_NULL),
    Key("finished_at", TIME_OR_NULL),
    Key("detail", FILLED_TEXT, hide=to_answer_label),
    Key("gone", FLAG),
)
#: A run of a platform's list, with the delivery that it belongs to.
RUN: Final = JsonRecord(
    "Run",
    ListedRun,
    _PLATFORM,
    Key("saved_item_id", NAME),
    Key("run_id", NAME, "id"),
    Key("run_state", RUN_STATE, get=attrgetter("report.state")),
    Key("raw_state", NAME_OR_NULL, get=attrgetter("report.raw_state")),
    Key("outputs", ANY, get=attrgetter("report.outputs"), hide=to_null),
    Key("created_at", TIME_OR_NULL, get=attrgetter("report.created_at")),
    Key("finished_at", TIME_OR_NULL, get=attrgetter("report.finished_at")),
    Key("delivery_id", NAME_OR_NULL, is_given=True),
    Key("event_id", NAME_OR_NULL, is_given=True),
    Key("route", NAME_OR_NULL, is_given=True),
)
#: The answer to the request to end a run, with the last state of the run.
KILLED_RUN: Final = JsonRecord(
    "KilledRun",
    KillReport,
    _PLATFORM,
    _RUN_ID,
    Key("killed", FLAG, "accepted"),
    Key("detail", FILLED_TEXT, hide=to_answer_label),
    Key("run_state", RUN_STATE, is_given=True),
    Key("raw_state", NAME_OR_NULL, is_given=True),
)
