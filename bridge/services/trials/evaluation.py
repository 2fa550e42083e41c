"""The evaluation of a trial or a check: messages in, and the JSON of its result out. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import orjson

from bridge.config.given_files import GivenFiles
from bridge.config.loader import check_files, load_canonical
from bridge.core.errors import BridgeError, ConfigError, ConfigProblem
from bridge.core.json_values import write_json
from bridge.core.model import JSON, Event
from bridge.ingest.plan_comparison import compare_event
from bridge.ingest.planned_deliveries import EventComparison, Incomparable
from bridge.routing.model import Config
from bridge.services.comparison.traffic_comparison import TrafficSummary
from bridge.services.config_checks.given_config import check_given_config
from bridge.services.records.comparison_records import ROUTE_CHANGE, TRAFFIC
from bridge.services.records.config_records import PROBLEM
from bridge.services.trials.details import DetailsReport, report_without_config
from bridge.services.trials.explanations import NO_EXPLANATIONS, TrialExplanations
from bridge.services.trials.messages import (
    MAX_CHANGE_BYTES,
    ConfigCheck,
    EncryptedEvent,
    FirstMessage,
    GivenText,
    Message,
    PlannedConfig,
    TrialConfigs,
)

UNUSABLE: Final = "the configuration in use cannot be loaded, so there is none to compare with"


class TrialEvaluation:
    """Compares events as they come, and holds the changes up to a number of bytes."""

    def __init__(self, configs: TrialConfigs) -> None:
        self._details = None if configs.details is None else DetailsReport(configs.details)
        if configs.details is None:
            self._after = _load_text(configs.after)
            self._warnings: list[ConfigProblem] = []
        else:
            self._after, self._warnings = _check_text(configs.after)
        self._before = _load_before(configs.before)
        self._only_changed = configs.only_changed
        self._explanations = (
            TrialExplanations(self._after, has_screen=configs.has_screen)
            if configs.explains
            else None
        )
        self._planned: dict[str, Config | None] = {}
        self._summary = TrafficSummary()
        self._changes: list[orjson.Fragment] = []
        self._bytes = 0
        self._is_complete = True

    def take(self, message: Message) -> None:
        """Process one message."""
        if isinstance(message, Event):
            comparison = self._compare(message)
            self._add(comparison)
            if self._explanations is not None and (comparison.changes or not self._only_changed):
                self._explanations.add(message)
            if self._details is not None:
                self._details.add(message, comparison, self._after)
        elif isinstance(message, PlannedConfig):
            self._planned[message.hash] = _load_planned(message.canonical)
        elif isinstance(message, EncryptedEvent):
            self._add(EventComparison(message.id, incomparable=Incomparable.ENCRYPTED))
            if self._explanations is not None and not self._only_changed:
                self._explanations.leave_out()

    def write(self) -> bytes:
        """Return the result as JSON."""
        return orjson.dumps(
            {
                "problems": [PROBLEM.write(problem) for problem in self._warnings],
                **_write_parts(TRAFFIC.write(self._summary)),
                "changes": self._changes,
                "changes_complete": self._is_complete,
                **({} if self._explanations is None else self._explanations.as_json()),
                **({} if self._details is None else self._details.as_json()),
            }
        )

    def _compare(self, event: Event) -> EventComparison:
        before = self._before if self._before is not None else self._planned.get(event.config_hash)
        if before is None:
            return EventComparison(event.id, incomparable=Incomparable.NO_CONFIG)
        return compare_event(event, before, self._after)

    def _add(self, comparison: EventComparison) -> None:
        self._summary.add(comparison)
        for change in comparison.changes:
            written = write_json(ROUTE_CHANGE.write(change))
            self._bytes += len(written)
            self._is_complete = self._is_complete and self._bytes <= MAX_CHANGE_BYTES
            if self._is_complete:
                self._changes.append(orjson.Fragment(written))


def evaluate(first: FirstMessage, messages: Iterable[Message]) -> bytes:
    """Return the JSON of the result of a trial, or of the report of a check."""
    if isinstance(first, ConfigCheck):
        given_text = first.given
        return write_json(
            check_given_config(given_text.text, given_text.files).as_json(given_text.name)
        )
    return evaluate_trial(first, messages)


def evaluate_trial(configs: TrialConfigs, messages: Iterable[Message]) -> bytes:
    """Return the JSON of the result of a trial: the comparison, or the problems of its text.

    With an `error`, the trial has failed.
    """
    try:
        evaluation = TrialEvaluation(configs)
    except ConfigError as error:
        details = {}
        if configs.details is not None:
            details = report_without_config(configs.details, messages)
        return orjson.dumps(
            {
                "problems": [PROBLEM.write(problem) for problem in error.problems],
                **TRAFFIC.write(TrafficSummary()),
                "changes": [],
                "changes_complete": True,
                **(NO_EXPLANATIONS if configs.explains else {}),
                **details,
            }
        )
    except BridgeError as error:
        return orjson.dumps({"error": str(error)})
    for message in messages:
        evaluation.take(message)
    return evaluation.write()


def _load_text(given_text: GivenText) -> Config:
    """Return the configuration of a text. No value of the environment counts as missing."""
    files = GivenFiles({**given_text.files, given_text.name: given_text.text}, given_text.rule)
    checked = check_files(given_text.name, None, files, strict_secrets=False)
    if checked.config is None:
        raise ConfigError([problem for problem in checked.problems if problem.level == "error"])
    return checked.config


def _check_text(given_text: GivenText) -> tuple[Config, list[ConfigProblem]]:
    """Return the configuration of a text with the warnings of `check`."""
    report = check_given_config(given_text.text, given_text.files, given_text.rule)
    if report.config is None:
        raise ConfigError(report.problems)
    return report.config, report.problems


def _load_before(before: GivenText | str | None) -> Config | None:
    if isinstance(before, GivenText):
        return _load_text(before)
    if before is None:
        return None
    config = _load_planned(before)
    if config is None:
        raise BridgeError(UNUSABLE)
    return config


def _load_planned(canonical: str | None) -> Config | None:
    """Return an earlier configuration, null where it was deleted or cannot be used any more."""
    if canonical is None:
        return None
    try:
        return load_canonical(canonical, None, strict_secrets=False)
    except BridgeError:
        return None


def _write_parts(shape: Mapping[str, JSON]) -> dict[str, orjson.Fragment]:
    """Return the parts of an object as JSON: their values may nest deeply."""
    return {name: orjson.Fragment(write_json(part)) for name, part in shape.items()}
