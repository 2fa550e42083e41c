"""Trials of a routes.yaml on stored events: the request, and its evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import orjson

from bridge.config.given_files import SENT_OR_USED_FILES
from bridge.core.errors import NotFound
from bridge.core.model import JSON
from bridge.core.operations import NOW, THEN
from bridge.services.comparison.traffic_comparison import NOT_USED_YET
from bridge.services.trials.messages import (
    AGAINST_NAME,
    MAX_PLANNED_CONFIGS,
    MAX_TRIAL_EVENTS,
    EncryptedEvent,
    GivenText,
    Message,
    PlannedConfig,
    TrialConfigs,
    TrialDetails,
)
from bridge.services.trials.runner import TrialFailed, evaluate_apart

if TYPE_CHECKING:
    from bridge.config.settings import Settings
    from bridge.routing.model import Config
    from bridge.store.db.database import Database
    from bridge.store.queries.filters import Filters

MAX_TRIAL_CHARS: Final = 1024 * 1024  # of the text of a routes.yaml
MAX_TRIAL_IDS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """A routes.yaml to try on the events with these ids.

    `files` by their path under its folder; they replace those of the configuration in use, `used`.
    `against`: `now`, the configuration in use, or `then`, the one that planned each event;
    `against_text`: the routes.yaml to compare with instead, with its own files. `complete`: whether
    the events are all that matched. `explain`: what the text does with the newest events, clause by
    clause, is a part of the result; `explain_changed`: with the newest of those that changed
    instead. `screen`: explanations are as a screen shows them. `details`: what else to add to the
    result.
    """

    text: str
    ids: Sequence[str]
    used: Config
    files: Mapping[str, str] = field(default_factory=dict)
    against: str = NOW
    against_text: str | None = None
    against_files: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True
    explain: bool = False
    explain_changed: bool = False
    screen: bool = False
    details: TrialDetails | None = None


@dataclass(frozen=True, slots=True)
class TrialEvents:
    """The events of a trial, newest first. `complete`: whether they are all that match."""

    ids: Sequence[str]
    complete: bool = True


def select_trial_events(database: Database, filters: Filters, limit: int = 0) -> TrialEvents:
    """Return the newest `limit` events that match; 0 for all, of which at most 10,000 are used.

    Raises `InvalidRequest` for a search that takes too long.
    """
    from bridge.services.operations.selection import limit_search
    from bridge.store.queries.events import event_ids

    check = limit_search(database.timings.selection_seconds)
    ids = event_ids(database, filters, limit or MAX_TRIAL_EVENTS + 1, check)[::-1]
    return TrialEvents(ids[:MAX_TRIAL_EVENTS], len(ids) <= MAX_TRIAL_EVENTS)


def evaluate_request(
    settings: Settings, database: Database, request: TrialRequest, seconds: float | None = None
) -> dict[str, JSON]:
    """Return the result of a trial, as `test --json` and the screen of `test` show it.

    With an error in `problems`, the text cannot be used, and nothing was compared. `seconds`: the
    time limit, that of the settings by default. Raises `TrialFailed`.
    """
    used = request.used.canonical or _find_used(settings, database)
    beside = {**_read_schemas(used), **request.used.included}
    after = GivenText(request.text, {**beside, **request.files}, rule=SENT_OR_USED_FILES)
    before: GivenText | str | None = None
    if request.against_text is not None:
        files = {**beside, **request.against_files}
        before = GivenText(request.against_text, files, AGAINST_NAME, SENT_OR_USED_FILES)
    elif request.against == NOW:
        if used is None:
            raise NotFound(NOT_USED_YET)
        before = used
    configs = TrialConfigs(
        after,
        before,
        explains=request.explain or request.explain_changed,
        only_changed=request.explain_changed,
        has_screen=request.screen,
        details=request.details,
    )
    events = _read_messages(database, request)
    result = evaluate_apart(configs, events, seconds or settings.timings.trial_seconds)
    return result | {"complete": request.complete}


def _find_used(settings: Settings, database: Database) -> str | None:
    from bridge.monitoring.active_config import find_last_canonical

    return find_last_canonical(settings, database)


def _read_schemas(canonical: str | None) -> dict[str, str]:
    """Return the texts of the schemas and pages of a configuration, by their path."""
    texts: dict[str, str] = {} if canonical is None else orjson.loads(canonical)["schemas"]
    return texts


def _read_messages(database: Database, request: TrialRequest) -> Iterator[Message]:
    """Yield the events of a trial, and before each the configuration that planned it, if needed."""
    from bridge.store.queries import configs
    from bridge.store.queries.recorded_events import UnreadableEvent, read_named_events

    needs_planned = request.against_text is None and request.against == THEN
    sent: set[str] = set()
    for event in read_named_events(database, request.ids):
        if isinstance(event, UnreadableEvent):
            yield EncryptedEvent(event.id)
            continue
        if needs_planned and event.config_hash not in sent:
            sent.add(event.config_hash)
            if len(sent) > MAX_PLANNED_CONFIGS:
                raise TrialFailed(
                    f"more than {MAX_PLANNED_CONFIGS} configurations planned these events: select"
                    " fewer events"
                )
            yield PlannedConfig(event.config_hash, configs.find_config(database, event.config_hash))
        yield event
