"""Turns what the combination prints into what golden files keep of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from combination_names import PROVIDERS
from golden_values import Placeholders

if TYPE_CHECKING:
    from combination import Combination
    from combination_names import Names

NO_TEXTS: Mapping[str, str] = {}
NDJSON = "application/x-ndjson"


def make_placeholders(
    combination: Combination, names: Names, texts: Mapping[str, str] = NO_TEXTS
) -> Placeholders:
    """Return placeholders, in which the names of records have the first numbers."""
    texts = {**texts, str(combination.folder): "<folder>"}
    ids = (*(value for kind in names.by_kind.values() for value in kind), *names.list_run_ids())
    return Placeholders(time.time(), texts, ids)


def name_endpoint(path: str) -> str:
    """Return the name of the file of an endpoint."""
    named = re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), path)
    return named.strip("/").removesuffix(".json").replace("/", ".") or "api"


def read_answer(kind: str, body: bytes) -> Any:
    """Return an answer as a JSON value: that of its lines, or its text, if it is none itself."""
    if kind.endswith("json") and kind != NDJSON:
        return json.loads(body)
    text = body.decode(errors="replace")
    return [json.loads(line) for line in text.splitlines()] if kind == NDJSON else text


def keep_settled(name: str, answer: Any) -> Any:
    """Return an answer without the records that depend on how long the bridge has run."""
    if name == "status":  # how many receivers have begun, and the pages of the file of SQLite
        if isinstance(answer, list):
            return [keep_settled(name, status) for status in answer]
        processes = [one for one in answer["processes"] if one["role"] == "reload"]
        database = {**answer["database"], "size": "<size>"}
        return {**answer, "processes": processes, "database": database}
    if name == "trends":  # the minute that is stored; others may have begun meanwhile
        rows = answer["items"] if isinstance(answer, dict) else answer
        kept = [row for row in rows if row.get("series", True)]
        kept = kept[:1] if rows and "series" in rows[0] else kept
        return {**answer, "items": kept} if isinstance(answer, dict) else kept
    if name == "providers":  # all others have the same keys
        return [row for row in answer if row["name"] in PROVIDERS]
    if name == "db-check":  # pages of the file, and what the installed SQLite lacks
        return [
            {**row, "size": {**row["size"], "database": "<size>"}, "notes": []} for row in answer
        ]
    return answer
