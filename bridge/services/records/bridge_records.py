"""Access tokens, entries of the audit log, alerts and the hold of starts as JSON. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.core.alert import Alert
from bridge.core.audit import AuditEntry
from bridge.core.model import JSON
from bridge.core.scopes import AccessToken, Scope, list_scopes
from bridge.services.records import json_schema
from bridge.services.records.delivery_records import ANSWER
from bridge.services.records.json_record import (
    COUNT,
    FLAG,
    NAME,
    NAME_OR_NULL,
    OWN_TEXT,
    OWN_TEXT_OR_NULL,
    TEXT,
    TIME,
    TIME_OR_NULL,
    JsonRecord,
    Key,
    ValueType,
    public,
    unparsed,
    word_of,
)

if TYPE_CHECKING:
    from bridge.store.inbound.learned_secrets import LearnedSecret
    from bridge.store.queue.hold import HeldCounts, Hold

#: Conditions whose text may have what a platform answered, which may quote the inputs of a start.
QUOTING_CONDITIONS: Final = frozenset({"circuit_open", "credentials_refused", "unknown"})
SCOPES: Final = public(
    ValueType(json_schema.list_of(json_schema.word(*(scope.value for scope in Scope))), list_scopes)
)
#: Without its secret, which only the answer to its making has.
TOKEN: Final = JsonRecord(
    "Token",
    AccessToken,
    Key("id", NAME),
    Key("name", NAME),
    Key("scopes", SCOPES),
    Key("created_at", TIME),
    Key("last_used_at", TIME_OR_NULL, "used_at"),
    Key("ends_at", TIME_OR_NULL),
)
NEW_TOKEN: Final = TOKEN.extend("NewToken", Key("token", NAME, is_given=True))
AUDIT_ENTRY: Final = JsonRecord(
    "AuditEntry",
    AuditEntry,
    Key("id", NAME),
    Key("at", TIME),
    Key("actor", NAME),
    Key("action", NAME),
    Key("subject", NAME_OR_NULL),
    Key("client", NAME_OR_NULL),
)


def _hide_answer(summary: JSON, alert: Alert) -> str:
    is_quoting = alert.key.partition(":")[0] in QUOTING_CONDITIONS
    return ANSWER.sub("", summary) if is_quoting else str(summary)


#: `over`: its condition is over. `notified` is 0 where no route subscribes to alerts.
ALERT: Final = JsonRecord(
    "Alert",
    Alert,
    Key("key", NAME),
    Key("condition", NAME, get=lambda alert: alert.key.partition(":")[0]),
    Key("subject", NAME_OR_NULL, get=lambda alert: alert.key.partition(":")[2] or None),
    Key("severity", word_of(str, ("warning", "critical"))),
    Key("state", word_of(str, ("pending", "raised", "resolved"))),
    Key("over", FLAG, is_given=True),
    Key("summary", TEXT, "what", hide=_hide_answer),
    Key("what_to_do", OWN_TEXT, "do"),
    Key("since", TIME),
    Key("notified", COUNT, is_given=True),
    Key("last_notified_at", TIME_OR_NULL, "told_at"),
)
#: Until when a source may receive its secret. `url`: where the sender delivers it, with `path` its
#: path. `ask`: what to do at the sender. `shown`: the secret is to be entered there, too.
LEARNING: Final[JsonRecord[LearnedSecret]] = JsonRecord(
    "Learning",
    unparsed,
    Key("source", NAME, is_given=True),
    Key("path", NAME, is_given=True),
    Key("url", NAME, is_given=True),
    Key("until", TIME_OR_NULL, is_given=True),
    Key("learned_at", TIME_OR_NULL),
    Key("ask", OWN_TEXT, is_given=True),
    Key("shown", FLAG, is_given=True),
)
#: The hold of starts, null where there is none, with the counts of what waits.
HOLD: Final[JsonRecord[tuple[Hold | None, HeldCounts]]] = JsonRecord(
    "Hold",
    unparsed,
    Key("since", TIME_OR_NULL, get=lambda pair: pair[0] and pair[0].since),
    Key("reason", OWN_TEXT_OR_NULL, get=lambda pair: pair[0] and pair[0].reason),
    Key("backup_taken_at", TIME_OR_NULL, get=lambda pair: pair[0] and pair[0].taken_at),
    Key("before", COUNT, get=lambda pair: pair[1].before),
    Key("after", COUNT, get=lambda pair: pair[1].after),
    Key("unknown", COUNT, get=lambda pair: pair[1].unknown),
    Key("runs", COUNT, get=lambda pair: pair[1].runs),
)
