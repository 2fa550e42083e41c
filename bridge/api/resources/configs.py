"""Stored configurations with secrets masked, and the check of one that is sent."""

from __future__ import annotations

from typing import Any, Final

import orjson

from bridge.api.bodies import CONFIG_FILES, RequestBody, body_schema
from bridge.api.context import Answer, ApiContext, ApiRequest
from bridge.api.endpoint import Endpoint, ReadingTool
from bridge.api.problems import ApiProblem, body_error, invalid_body, report_busy
from bridge.api.selection import look_up
from bridge.core.model import JSON
from bridge.core.scopes import Scope
from bridge.services.config_views import compare_configs, mask_config
from bridge.services.lists import write_list
from bridge.services.records.config_records import CONFIG, CONFIG_DETAILS, CONFIG_DIFF
from bridge.services.trials.runner import TrialFailed, TrialTooLarge
from bridge.services.trials.text_check import check_text
from bridge.store.queries.configs import StoredConfig, find_config_by_prefix, list_configs

MAX_LISTED_CONFIGS: Final = 500
#: Of all files of a configuration to check: any of them may be YAML, which takes long to parse.
MAX_CONFIG_CHARS: Final = 64 * 1024
CHECK_LOCK: Final = "config check"  # one at a time on a machine
CHECK_BODY: Final = RequestBody(
    "ConfigCheckRequest", body_schema("text", text={"type": "string"}, files=CONFIG_FILES)
)


def list_stored_configs(context: ApiContext, _request: ApiRequest) -> Answer:
    """Return the stored configurations, the one used last first."""
    configs = list_configs(context.database, MAX_LISTED_CONFIGS + 1)
    present = context.config().hash
    return write_list(
        (
            CONFIG.write(config, current=config.hash == present)
            for config in configs[:MAX_LISTED_CONFIGS]
        ),
        is_complete=len(configs) <= MAX_LISTED_CONFIGS,
    )


def check_routes(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the problems of a routes.yaml with its other files, which are all in the body.

    The text is untrusted, and may take long to check, so that a process of its own does it.
    """
    text = request.body["text"]
    files = request.body.get("files", {})
    size = len(text) + sum(map(len, files.values()))
    if size > MAX_CONFIG_CHARS:
        detail = f"all files have {size} characters; allowed are at most {MAX_CONFIG_CHARS}"
        raise ApiProblem("invalid_body", detail, errors=[body_error("/text", detail)])
    with context.hold_lock(CHECK_LOCK) as is_held:
        if not is_held:
            raise report_busy("another configuration is being checked")
        try:
            return check_text(text, files, context.settings.timings.playground_seconds)
        except TrialTooLarge as error:
            raise invalid_body([body_error("/text", str(error))]) from None
        except TrialFailed as error:
            raise report_busy(str(error)) from None


def show_config(context: ApiContext, request: ApiRequest) -> Answer:
    """Return one configuration before `${env:…}` is filled, with its schemas."""
    config, document = _find(context, request.ids["hash"])
    return CONFIG_DETAILS.write(
        config,
        current=config.hash == context.config().hash,
        config=mask_config(document["config"]),
        schemas=document["schemas"],
    )


def compare_stored_configs(context: ApiContext, request: ApiRequest) -> Answer:
    """Return the differences of two configurations and their schemas."""
    before, old = _find(context, request.ids["a"])
    after, new = _find(context, request.ids["b"])
    changes, is_complete = compare_configs(_make_comparable(old), _make_comparable(new))
    return CONFIG_DIFF.write(changes, before=before.hash, after=after.hash, complete=is_complete)


def _make_comparable(document: dict[str, Any]) -> dict[str, JSON]:
    # A path begins with a key of routes.yaml, or with `(schemas)` and the name of a file.
    schemas: dict[str, JSON] = {"(schemas)": document["schemas"]} if document["schemas"] else {}
    return mask_config(document["config"]) | schemas


def _find(context: ApiContext, text: str) -> tuple[StoredConfig, dict[str, Any]]:
    config, canonical = look_up(lambda: find_config_by_prefix(context.database, text))
    return config, orjson.loads(canonical)


ENDPOINTS: Final = (
    Endpoint(
        path="/configs",
        summary="The stored configurations, the one used last first.",
        answer=list_stored_configs,
        schema="ConfigList",
    ),
    Endpoint(
        path="/configs/{hash}",
        summary="One configuration before `${env:…}` is filled, with secrets masked.",
        answer=show_config,
        schema="ConfigDetails",
    ),
    Endpoint(
        path="/configs/{a}/diff/{b}",
        summary="The differences of two configurations.",
        answer=compare_stored_configs,
        schema="ConfigDiff",
    ),
    Endpoint(
        method="POST",
        path="/configs/check",
        summary="The problems of a routes.yaml that is sent, as `flowbridge check --json`.",
        answer=check_routes,
        body=CHECK_BODY,
        tool=ReadingTool(
            "Check a routes.yaml", advice="Nothing is saved, and no file of the bridge is read."
        ),
        schema="ConfigCheck",
        scope=Scope.BODIES,
        has_contents=True,
    ),
)
