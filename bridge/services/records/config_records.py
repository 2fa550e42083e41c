"""Configurations as JSON: what is stored, the report of a check, and trials. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import ConfigProblem
from bridge.services.records.comparison_records import ROUTE_CHANGE, TRAFFIC
from bridge.services.records.explanation_records import EXPLANATION
from bridge.services.records.json_record import (
    ANY,
    COUNT,
    COUNT_OR_NULL,
    FLAG,
    NAME,
    NAME_OR_NULL,
    NO_LIMIT,
    NO_NEXT,
    OBJECT,
    OWN_TEXT_OR_NULL,
    OWN_TEXTS,
    TEXT,
    TEXT_BY_NAME,
    TIME,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    ValueType,
    list_of,
    public,
    unparsed,
    word_of,
)
from bridge.services.trials.results import STATES, TrialRecord

if TYPE_CHECKING:
    from bridge.services.config_views import ConfigChange
    from bridge.store.queries.configs import StoredConfig

#: A problem in a file. The texts are of the person who checks it.
PROBLEM: Final[JsonRecord[ConfigProblem]] = JsonRecord(
    "",
    ConfigProblem,
    Key("level", word_of(str, ("error", "warning"))),
    Key("file", TEXT),
    Key("line", COUNT),
    Key("column", COUNT),
    Key("path", TEXT),
    Key("message", TEXT),
    Key("shown", TEXT),
    needs_contents=True,
)
ENTRY_COUNTS: Final = ("sources", "routes", "flows", "platforms")
#: Written from a `ProjectReport`; the name of the file and the counts of its entries are given.
CONFIG_CHECK: Final[JsonRecord[Any]] = JsonRecord(
    "ConfigCheck",
    unparsed,
    Key("config", TEXT, is_given=True),
    Key("valid", FLAG, get=lambda report: report.code == 0),
    Key("config_hash", NAME_OR_NULL, get=lambda report: report.config and report.config.hash),
    *(Key(name, COUNT_OR_NULL, is_given=True) for name in ENTRY_COUNTS),
    Key("problems", ValueType(list_of(PROBLEM.type).schema), is_given=True),
    Key("notes", OWN_TEXTS),
    needs_contents=True,
)
_CONFIG: Final = (
    Key("hash", NAME),
    Key("last_used_at", TIME, "seen_at"),
    Key("current", FLAG, is_given=True),
)
CONFIG: Final[JsonRecord[StoredConfig]] = JsonRecord("Config", unparsed, *_CONFIG)
#: Secrets are masked before it is written.
CONFIG_DETAILS: Final = CONFIG.extend(
    "ConfigDetails",
    Key("config", public(OBJECT), is_given=True),
    Key("schemas", public(TEXT_BY_NAME), is_given=True),
)
CONFIG_CHANGE: Final[JsonRecord[ConfigChange]] = JsonRecord(
    "",
    unparsed,
    Key("path", NAME),
    Key("change", word_of(str, ("added", "removed", "changed")), "kind"),
    Key("before", public(ANY)),
    Key("after", public(ANY)),
)
#: Written from the changes alone; the hashes of both configurations are given.
CONFIG_DIFF: Final[JsonRecord[Any]] = JsonRecord(
    "ConfigDiff",
    unparsed,
    Key("before", NAME, is_given=True),
    Key("after", NAME, is_given=True),
    Key("items", list_of(CONFIG_CHANGE.type), get=tuple),
    NO_NEXT,
    Key("complete", FLAG, is_given=True),
    NO_LIMIT,
)
_RESULT: Final[JsonRecord[Any]] = JsonRecord(
    "",
    unparsed,
    Key("problems", list_of(PROBLEM.type), is_given=True),
    *TRAFFIC.keys,
    Key("changes", list_of(ROUTE_CHANGE.type), is_given=True),
    Key("changes_complete", FLAG, is_given=True),
    Key("complete", FLAG, is_given=True),
    Key("explanations", list_of(EXPLANATION.type), is_given=True, is_optional=True),
    Key("explanations_complete", FLAG, is_given=True, is_optional=True),
    needs_contents=True,
)
#: The result is stored as JSON: another process wrote it.
TRIAL: Final[JsonRecord[TrialRecord]] = JsonRecord(
    "Trial",
    unparsed,
    Key("id", NAME),
    Key("state", word_of(str, STATES)),
    Key("created_at", TIME),
    Key("finished_at", TIME_OR_NULL, "ended_at"),
    Key("error", OWN_TEXT_OR_NULL),
    Key("result", ValueType(_RESULT.type.or_null().schema)),
    needs_contents=True,
)
