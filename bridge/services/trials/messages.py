"""The messages that the process of a trial or a check reads, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from bridge.config.given_files import SENT_FILES
from bridge.core.model import Event
from bridge.core.units import MIB
from bridge.system.process_limits import ProcessLimits

MAX_TRIAL_EVENTS: Final = 10_000
MAX_CHANGE_BYTES: Final = 4 * MIB  # of the JSON of all changes of a result
MAX_EXPLAINED_EVENTS: Final = 50
MAX_EXPLANATION_BYTES: Final = 4 * MIB  # of the JSON of all explanations of a result
MAX_DETAILED_EVENTS: Final = 50  # whose plans are in the details of a result
MAX_PLANNED_CONFIGS: Final = 50  # earlier configurations of the events of one trial
ROUTES_NAME: Final = "routes.yaml"
AGAINST_NAME: Final = "against.yaml"
MEMORY_EXIT_CODE: Final = 3
TRIAL_LIMITS: Final = ProcessLimits(
    memory_bytes=256 * MIB, cpu_seconds=5, output_bytes=16 * MIB, grace_seconds=1
)


@dataclass(frozen=True, slots=True)
class GivenText:
    """A routes.yaml, and the files that it may name, by their path under its folder.

    `name`: of the file, as problems name it. `rule`: the message about any other file.
    """

    text: str
    files: Mapping[str, str] = field(default_factory=dict)
    name: str = ROUTES_NAME
    rule: str = SENT_FILES


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialDetails:
    """What the result of a trial has besides: the plans of each event, and the warnings of `check`.

    `event_id`: the event that is explained, and on which `expression` is evaluated.
    """

    event_id: str | None = None
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class TrialConfigs:
    """The first message: the configuration that is tried, and the one to compare it with.

    `before` is a text, or the canonical form of a stored configuration; null where each event is
    compared with the one that planned it. `explains`: whether the result has explanations, with
    `only_changed` of events that changed, with `has_screen` as a screen shows them. `details`: what
    else to add to the result.
    """

    advice: ClassVar[str] = "select fewer events"  # where a limit was reached

    after: GivenText
    before: GivenText | str | None
    explains: bool = False
    only_changed: bool = False
    has_screen: bool = False
    details: TrialDetails | None = None


@dataclass(frozen=True, slots=True)
class ConfigCheck:
    """The only message of a check: the configuration that is checked, as `check` does."""

    advice: ClassVar[str] = "make it smaller"

    given: GivenText


@dataclass(frozen=True, slots=True)
class PlannedConfig:
    """The canonical form of a configuration that planned later events; null if it was deleted."""

    hash: str
    canonical: str | None


@dataclass(frozen=True, slots=True)
class EncryptedEvent:
    """An event that cannot be decrypted."""

    id: str


FirstMessage = TrialConfigs | ConfigCheck
Message = FirstMessage | PlannedConfig | EncryptedEvent | Event
