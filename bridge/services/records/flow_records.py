"""Saved flows, their inputs and runs as JSON. Pure.

Without contents, the label of its cause stands in the place of what a platform answered.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from bridge.core.model import JSON, DeadKind
from bridge.core.outcomes import Outcome, OutcomeKind, RunReport
from bridge.delivery.platforms.model import InputNode, KillReport, ListedRun, SavedFlow
from bridge.services.records.delivery_records import RUN_STATE, find_label
from bridge.services.records.json_record import (
    ANY,
    FILLED_TEXT,
    FLAG,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    TIME_OR_NULL,
    JsonRecord,
    Key,
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


_PLATFORM: Final = Key("platform", TEXT, is_given=True)
_FLOW_ID: Final = Key("saved_item_id", TEXT, is_given=True)
_RUN_ID: Final = Key("run_id", TEXT, is_given=True)

FLOW: Final = JsonRecord(
    "Flow",
    SavedFlow,
    _PLATFORM,
    Key("saved_item_id", TEXT, "id"),
    Key("name", TEXT),
    Key("description", FILLED_TEXT),
    Key("created_at", TIME_OR_NULL),
)
FLOW_INPUT: Final = JsonRecord(
    "FlowInput",
    InputNode,
    _PLATFORM,
    _FLOW_ID,
    Key("name", TEXT),
    Key(
        "type",
        FILLED_TEXT,
        get=lambda node: node.type if node.annotation is None else node.annotation,
    ),
    Key("description", FILLED_TEXT),
)
#: The outcome of a start by hand; nothing is known of its run yet.
STARTED_RUN: Final = JsonRecord(
    "StartedRun",
    Outcome,
    _PLATFORM,
    _FLOW_ID,
    Key("outcome", word_of(OutcomeKind, OutcomeKind), "kind"),
    Key("detail", FILLED_TEXT, hide=to_answer_label),
    Key("run_id", TEXT_OR_NULL),
    Key("run_url", TEXT_OR_NULL),
    Key("run_state", RUN_STATE, get=lambda _: None),
    Key("outputs", ANY, get=lambda _: None),
    Key("log", TEXTS, get=lambda _: []),
)
RUN_REPORT: Final = JsonRecord(
    "RunReport",
    RunReport,
    _PLATFORM,
    _RUN_ID,
    Key("run_state", RUN_STATE, "state"),
    Key("raw_state", TEXT_OR_NULL),
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
    Key("saved_item_id", TEXT),
    Key("run_id", TEXT, "id"),
    Key("run_state", RUN_STATE, get=attrgetter("report.state")),
    Key("raw_state", TEXT_OR_NULL, get=attrgetter("report.raw_state")),
    Key("outputs", ANY, get=attrgetter("report.outputs"), hide=to_null),
    Key("created_at", TIME_OR_NULL, get=attrgetter("report.created_at")),
    Key("finished_at", TIME_OR_NULL, get=attrgetter("report.finished_at")),
    Key("delivery_id", TEXT_OR_NULL, is_given=True),
    Key("event_id", TEXT_OR_NULL, is_given=True),
    Key("route", TEXT_OR_NULL, is_given=True),
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
    Key("raw_state", TEXT_OR_NULL, is_given=True),
)
