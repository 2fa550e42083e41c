"""Trials of a routes.yaml of this machine on the events of a bridge elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bridge.cli.bridge.access import open_bridge
from bridge.cli.bridge.client import Bridge
from bridge.cli.command_settings import command_timings
from bridge.cli.remote.sent_files import name_here, read_files
from bridge.core.errors import BridgeError, ConfigError, ConfigProblem
from bridge.core.model import JSON
from bridge.core.operations import NOW, THEN
from bridge.services.records.json_record import expect_shape
from bridge.services.trials.messages import AGAINST_NAME, MAX_TRIAL_EVENTS
from bridge.services.trials.results import FAILED, RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTrial:
    """The options of `test`. `against`: `now`, `then`, or the name of a file.

    `explain`: whether the events that changed are explained.
    """

    file: Path
    against: str
    chosen: Mapping[str, Any]
    limit: int
    explain: bool = False


def run_remote_trial(remote_trial: RemoteTrial) -> dict[str, Any]:
    """Return the result of a trial on the bridge of --server.

    Raises `ConfigError` where a file cannot be used, and `BridgeError` where the trial failed.
    """
    request: dict[str, JSON] = _read_file(remote_trial.file, "text", "files")
    if remote_trial.against not in (NOW, THEN):
        request |= _read_file(Path(remote_trial.against), "against_text", "against_files")
    else:
        request["against"] = remote_trial.against
    if remote_trial.limit:
        request["limit"] = remote_trial.limit
    if remote_trial.explain:
        request |= {"explain_changed": True, "screen": True}
    with open_bridge(None) as bridge:
        request["filters"] = bridge.describe(remote_trial.chosen)
        trial = bridge.post("/trials", request)
        with expect_shape():
            result = wait_for_result(bridge, str(trial["id"]))
    with expect_shape():
        problems = [
            _rename(ConfigProblem(**problem), remote_trial) for problem in result["problems"]
        ]
        is_complete = bool(result["complete"])
    if problems:
        raise ConfigError(problems)
    if not is_complete:
        raise BridgeError(
            f"more than {MAX_TRIAL_EVENTS:,} events match: select fewer with --since or another"
            " filter, or the newest with --limit"
        )
    return result


def wait_for_result(bridge: Bridge, id_: str) -> dict[str, Any]:
    """Return the result of a trial once it has ended. `BridgeError` where it failed."""
    while (trial := bridge.read_trial(id_))["state"] == RUNNING:
        time.sleep(command_timings().server_poll_seconds)
    if trial["state"] == FAILED:
        raise BridgeError(f"the trial failed: {trial['error']}")
    result: dict[str, Any] = trial["result"]
    return result


# -- files


def _read_file(file: Path, name: str, files_name: str) -> dict[str, JSON]:
    """Return a routes.yaml and the files that it names, as keys of a request.

    One that is not here may be on the bridge's machine.
    """
    try:
        sent = read_files(file)
    except ConfigError as error:
        raise ConfigError(
            [problem for problem in error.problems if problem.level == "error"]
        ) from None
    return {name: sent.text, files_name: dict(sent.others)}


def _rename(problem: ConfigProblem, remote_trial: RemoteTrial) -> ConfigProblem:
    """Return a problem with the file as this machine names it."""
    is_against = problem.file == AGAINST_NAME and remote_trial.against not in (NOW, THEN)
    name = remote_trial.against if is_against else name_here(problem.file, remote_trial.file)
    return replace(problem, file=name)
