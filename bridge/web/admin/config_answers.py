"""The answers of the admin API about stored configurations, with secrets masked."""

from __future__ import annotations

from typing import Any, Final

import orjson

from bridge.core.model import JSON
from bridge.core.times import iso
from bridge.services.config_views import compare_configs, mask_config
from bridge.services.trials.runner import TrialFailed, TrialTooLarge
from bridge.services.trials.text_check import check_text
from bridge.store.queries.configs import StoredConfig, find_config_by_prefix, list_configs
from bridge.web.admin.bodies import invalid_body
from bridge.web.admin.context import AdminContext, AdminRequest, Answer
from bridge.web.admin.problems import AdminProblem, BodyError, report_busy
from bridge.web.admin.request_selection import look_up

MAX_LISTED_CONFIGS: Final = 500
#: Of all files of a configuration to check: any of them may be YAML, which takes long to parse.
MAX_CONFIG_CHARS: Final = 64 * 1024
CHECK_LOCK: Final = "config check"  # one at a time on a machine


def list_stored_configs(context: AdminContext, _asked: AdminRequest) -> Answer:
    """Return the stored configurations, the one used last first."""
    found = list_configs(context.database, MAX_LISTED_CONFIGS + 1)
    present = context.config().hash
    return {
        "items": [_summary(one, present) for one in found[:MAX_LISTED_CONFIGS]],
        "complete": len(found) <= MAX_LISTED_CONFIGS,
    }


def check_config(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the problems of a routes.yaml with its other files, which are all in the body.

    The text is untrusted, and may take long to check, so that a process of its own does it.
    """
    text = asked.body["text"]
    files = asked.body.get("files", {})
    size = len(text) + sum(map(len, files.values()))
    if size > MAX_CONFIG_CHARS:
        detail = f"all files have {size} characters; allowed are at most {MAX_CONFIG_CHARS}"
        raise AdminProblem("invalid_body", detail, errors=[BodyError("/text", detail)])
    with context.locks.hold(CHECK_LOCK) as is_held:
        if not is_held:
            raise report_busy("another configuration is being checked")
        try:
            return check_text(text, files, context.settings.timings.playground_seconds)
        except TrialTooLarge as error:
            raise invalid_body([BodyError("/text", str(error))]) from None
        except TrialFailed as error:
            raise report_busy(str(error)) from None


def show_config(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return one configuration before `${env:…}` is filled, with its schemas."""
    found, document = _find(context, asked.ids["hash"])
    return _summary(found, context.config().hash) | {
        "config": mask_config(document["config"]),
        "schemas": document["schemas"],
    }


def compare_stored_configs(context: AdminContext, asked: AdminRequest) -> Answer:
    """Return the differences of two configurations and their schemas."""
    before, old = _find(context, asked.ids["a"])
    after, new = _find(context, asked.ids["b"])
    changes, is_complete = compare_configs(_comparable(old), _comparable(new))
    return {
        "before": before.hash,
        "after": after.hash,
        "items": [one.as_json() for one in changes],
        "complete": is_complete,
    }


def _comparable(document: dict[str, Any]) -> dict[str, JSON]:
    # A path begins with a key of routes.yaml, or with `(schemas)` and the name of a file.
    schemas: dict[str, JSON] = {"(schemas)": document["schemas"]} if document["schemas"] else {}
    return mask_config(document["config"]) | schemas


def _summary(found: StoredConfig, present: str) -> dict[str, JSON]:
    return {"hash": found.hash, "seen_at": iso(found.seen_at), "current": found.hash == present}


def _find(context: AdminContext, text: str) -> tuple[StoredConfig, dict[str, Any]]:
    found, canonical = look_up(lambda: find_config_by_prefix(context.database, text))
    return found, orjson.loads(canonical)
