"""The status as JSON: it fits its schema, and is parsed again."""

from __future__ import annotations

from dataclasses import replace

import orjson
import overviews
import pytest
from jsonschema import Draft202012Validator

from bridge.core.status import ClockStep, Overview, RunCounts
from bridge.monitoring.conditions import find_problems
from bridge.services.overview.status_report import StatusReport
from bridge.services.records.advice_records import COMMAND
from bridge.services.records.status_records import CONDITION, STATUS

BUSY = replace(
    overviews.everything(),
    hold_since=1.0,
    hold_reason="restored",
    clock_step=ClockStep(at=2.0, seconds=0.1234),
    runs_ended={"triage": RunCounts(ended=3, failed=1), "alarm": RunCounts(ended=1, failed=0)},
)
each_overview = pytest.mark.parametrize("overview", [overviews.WELL, BUSY])


def make_report(overview: Overview) -> StatusReport:
    return StatusReport(
        overview, "SQLite 3", find_problems(overview), "3.11", "/srv/bridge/routes.yaml"
    )


@each_overview
def test_what_is_written_fits_the_schema(overview: Overview) -> None:
    schema = {
        **STATUS.schema,
        "components": {"schemas": {"Condition": CONDITION.schema, "Advice": COMMAND.schema}},
    }
    shape = orjson.loads(orjson.dumps(STATUS.write(make_report(overview))))
    errors = Draft202012Validator(schema).iter_errors(shape)
    assert [(error.json_path, error.message) for error in errors] == []


@each_overview
def test_no_object_of_the_status_allows_other_keys(overview: Overview) -> None:
    shape = STATUS.write(make_report(overview))
    for name, schema in STATUS.properties.items():
        if isinstance(shape[name], dict):
            assert schema["additionalProperties"] in (False, {"type": "integer"}), name


@each_overview
def test_what_is_written_is_parsed_again(overview: Overview) -> None:
    shape = orjson.loads(orjson.dumps(STATUS.write(make_report(overview))))
    parsed = STATUS.parse(shape).overview
    for name in ("hold_since", "hold_reason", "data", "disk_free", "database_ahead", "dead"):
        assert getattr(parsed, name) == getattr(overview, name)
    assert parsed.runs_ended == overview.runs_ended
