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


def list_configs(console_request: ConsoleRequest) -> Screen:
    """Return the configurations that were used last."""
    reply = console_request.read(configs.list_stored_configs)
    overview = console_request.context.overview.get()
    return Screen(
        template="configs.html",
        title="Configurations",
        values={
            "configs": reply["items"][:MAX_LISTED],
            "is_complete": reply["complete"] and len(reply["items"]) <= MAX_LISTED,
            "users": _count_processes(console_request),
            "error": overview.config.error,
            "restart": overview.config.restart,
        },
    )


def show_config(console_request: ConsoleRequest) -> Screen:
    """Return one configuration as YAML, with secrets masked."""
    reply = console_request.read(configs.show_config)
    text, is_whole = write_config(reply["config"])
    listed = console_request.read(configs.list_stored_configs)["items"]
    hashes = [stored_config["hash"] for stored_config in listed]
    place = hashes.index(reply["hash"]) if reply["hash"] in hashes else len(hashes)
    return Screen(
        template="config.html",
        title=f"Configuration {reply['hash'][:12]}",
        values={
            "config": reply,
            "text": text,
            "is_whole": is_whole,
            "schemas": {name: write_value(schema) for name, schema in reply["schemas"].items()},
            "users": _count_processes(console_request).get(reply["hash"], Counter()),
            "before": next(iter(hashes[place + 1 : place + 2]), None),
            "current": next(
                (stored_config["hash"] for stored_config in listed if stored_config["current"]),
                None,
            ),
        },
    )


def compare_configs(console_request: ConsoleRequest) -> Screen | Response:
    """Return the differences of two configurations, in words and with their values."""
    before = console_request.read_id("a", MAX_HASH_CHARS)
    after = console_request.read_id("b", MAX_HASH_CHARS)
    if before is None or after is None:
        return redirect(make_link("/configs"), 303)
    comparison = replace(console_request, ids={"a": before, "b": after}).read(
        configs.compare_stored_configs
    )
    items = comparison["items"]
    return Screen(
        template="config_diff.html",
        title="What changed",
        values={
            "before": comparison["before"],
            "after": comparison["after"],
            "changes": [_describe_change(change) for change in items[:MAX_CHANGES]],
            "more": max(len(items) - MAX_CHANGES, 0),
            "is_complete": comparison["complete"],
            "summary": _summarize(items),
        },
    )


# -- parts


def _count_processes(console_request: ConsoleRequest) -> Mapping[str, Counter[str]]:
    """Return how many processes of each role use each configuration."""
    counts: dict[str, Counter[str]] = {}
    for process in console_request.context.overview.get().processes:
        if process.config_hash is not None:
            counts.setdefault(process.config_hash, Counter())[
                ROLE_NAMES.get(process.role, process.role)
            ] += 1
    return counts


def _describe_change(change: Mapping[str, Any]) -> dict[str, Any]:
    subject, key = _name_place(change["path"])
    kind = {"added": "ok", "removed": "bad"}.get(change["change"], "busy")
    return {
        "subject": subject,
        "key": key,
        "word": change["change"],
        "kind": kind,
        "before": None
        if change["change"] == "added"
        else write_value(change["before"], MAX_VALUE_CHARS),
        "after": None
        if change["change"] == "removed"
        else write_value(change["after"], MAX_VALUE_CHARS),
    }


def _name_place(path: str) -> tuple[str, str]:
    """Return the entry that a JSON pointer leads to, such as `route paid`, and the rest of it."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]
    word = SECTION_WORDS.get(steps[0]) if steps else None
    if word is None or len(steps) < 2:
        return steps[0] if steps else "everything", ".".join(steps[1:])
    return f"{word} {steps[1]}", ".".join(steps[2:])


def _summarize(items: list[Mapping[str, Any]]) -> str:
    """Return in words which entries changed."""
    subjects = Counter(_name_place(change["path"])[0].split(" ")[0] for change in items)
    entries = {_name_place(change["path"])[0] for change in items}
    words = [
        pluralize(sum(entry.split(" ")[0] == word for entry in entries), word)
        for word in subjects
        if word in SECTION_WORDS.values()
    ]
    return ", ".join(words)
