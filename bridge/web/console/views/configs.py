"""`/configs`: the stored configurations, one of them, and the difference of two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from bridge.api.resources import configs
from bridge.core.status import ROLE_NAMES
from bridge.core.text import pluralize
from bridge.web.console.config_texts import write_config, write_value
from bridge.web.console.console_request import ConsoleRequest, Screen
from bridge.web.console.links import make_link

MAX_LISTED: Final = 100
MAX_CHANGES: Final = 300
MAX_VALUE_CHARS: Final = 2000
MAX_HASH_CHARS: Final = 64
#: The sections whose entries have names, and the word for one of them.
SECTION_WORDS: Final = {
    "routes": "route",
    "sources": "source",
    "platforms": "platform",
    "flows": "flow",
    "(schemas)": "schema",
}


def list_configs(asked: ConsoleRequest) -> Screen:
    """Return the configurations that were used last."""
    found = asked.read(configs.list_stored_configs)
    overview = asked.context.overview.get()
    return Screen(
        template="configs.html",
        title="Configurations",
        values={
            "configs": found["items"][:MAX_LISTED],
            "is_complete": found["complete"] and len(found["items"]) <= MAX_LISTED,
            "users": _count_processes(asked),
            "error": overview.config.error,
            "restart": overview.config.restart,
        },
    )


def show_config(asked: ConsoleRequest) -> Screen:
    """Return one configuration as YAML, with secrets masked."""
    found = asked.read(configs.show_config)
    text, is_whole = write_config(found["config"])
    listed = asked.read(configs.list_stored_configs)["items"]
    hashes = [one["hash"] for one in listed]
    place = hashes.index(found["hash"]) if found["hash"] in hashes else len(hashes)
    return Screen(
        template="config.html",
        title=f"Configuration {found['hash'][:12]}",
        values={
            "config": found,
            "text": text,
            "is_whole": is_whole,
            "schemas": {name: write_value(one) for name, one in found["schemas"].items()},
            "users": _count_processes(asked).get(found["hash"], Counter()),
            "before": next(iter(hashes[place + 1 : place + 2]), None),
            "current": next((one["hash"] for one in listed if one["current"]), None),
        },
    )


def compare_configs(asked: ConsoleRequest) -> Screen | Response:
    """Return the differences of two configurations, in words and with their values."""
    before = asked.read_id("a", MAX_HASH_CHARS)
    after = asked.read_id("b", MAX_HASH_CHARS)
    if before is None or after is None:
        return redirect(make_link("/configs"), 303)
    found = replace(asked, ids={"a": before, "b": after}).read(configs.compare_stored_configs)
    items = found["items"]
    return Screen(
        template="config_diff.html",
        title="What changed",
        values={
            "before": found["before"],
            "after": found["after"],
            "changes": [_describe_change(one) for one in items[:MAX_CHANGES]],
            "more": max(len(items) - MAX_CHANGES, 0),
            "is_complete": found["complete"],
            "summary": _summarize(items),
        },
    )


# -- parts


def _count_processes(asked: ConsoleRequest) -> Mapping[str, Counter[str]]:
    """Return how many processes of each role use each configuration."""
    found: dict[str, Counter[str]] = {}
    for one in asked.context.overview.get().processes:
        if one.config_hash is not None:
            found.setdefault(one.config_hash, Counter())[ROLE_NAMES.get(one.role, one.role)] += 1
    return found


def _describe_change(one: Mapping[str, Any]) -> dict[str, Any]:
    subject, key = _name_place(one["path"])
    kind = {"added": "ok", "removed": "bad"}.get(one["change"], "busy")
    return {
        "subject": subject,
        "key": key,
        "word": one["change"],
        "kind": kind,
        "before": None if one["change"] == "added" else write_value(one["before"], MAX_VALUE_CHARS),
        "after": None if one["change"] == "removed" else write_value(one["after"], MAX_VALUE_CHARS),
    }


def _name_place(path: str) -> tuple[str, str]:
    """Return the entry that a JSON pointer leads to, such as `route paid`, and the rest of it."""
    steps = [one.replace("~1", "/").replace("~0", "~") for one in path.split("/")[1:]]
    word = SECTION_WORDS.get(steps[0]) if steps else None
    if word is None or len(steps) < 2:
        return steps[0] if steps else "everything", ".".join(steps[1:])
    return f"{word} {steps[1]}", ".".join(steps[2:])


def _summarize(items: list[Mapping[str, Any]]) -> str:
    """Return in words which entries changed."""
    subjects = Counter(_name_place(one["path"])[0].split(" ")[0] for one in items)
    entries = {_name_place(one["path"])[0] for one in items}
    words = [
        pluralize(sum(each.split(" ")[0] == word for each in entries), word)
        for word in subjects
        if word in SECTION_WORDS.values()
    ]
    return ", ".join(words)
