"""Specs of local runs for the flow host: the flow, its limits and its input files."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

import orjson
from sqlalchemy import Connection

from bridge.config.settings import Settings
from bridge.core.errors import BridgeError
from bridge.core.local_runs import LocalFlow, LocalRun
from bridge.flows.function import DEFAULT_MEMORY_BYTES, DEFAULT_TIME_LIMIT_SECONDS
from bridge.flows.process.protocol import RunSpec
from bridge.routing.model import Config
from bridge.store.local import files
from bridge.worker.local.file_leases import FileLeases

MAX_INPUT_FILES: Final = 100  # of a run
MAX_SHOWN_NAME_CHARACTERS: Final = 300  # of what was given as the name of a file
#: Errors that pass: no descriptor or no memory is free.
SHORTAGES: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


class RunSpecs:
    """Makes the specs of a worker's runs.

    `environ` returns variables for the environment of a run, by its idempotency key.
    """

    def __init__(
        self,
        settings: Settings,
        config: Callable[[], Config],
        leases: FileLeases,
        environ: Callable[[str | None], dict[str, str]],
    ) -> None:
        self._settings = settings
        self._config = config
        self._leases = leases
        self._environ = environ

    def make(self, connection: Connection, run: LocalRun, flow: LocalFlow | None) -> RunSpec:
        """Return the spec of a run; `BridgeError` says why it cannot be executed.

        OSError: it cannot be executed now, since the machine is short of something.
        """
        if run.unsealable is not None:
            raise BridgeError(run.unsealable)
        if flow is None:
            raise BridgeError(f"flow {run.saved_item_id!r} no longer exists")
        time_limit, memory = self._limits(flow)
        return RunSpec(
            run_id=run.id,
            flow=flow.id,
            inputs=run.inputs,
            body=run.body,
            files=self._files(connection, flow, run),
            data=str(self._settings.data),
            time_limit=time_limit,
            stop_seconds=self._settings.timings.flow_stop_seconds,
            memory=memory,
            environ=self._environ(run.idempotency_key),
        )

    def _limits(self, flow: LocalFlow) -> tuple[float, int]:
        """Return the limits of routes.yaml, else of the flow, else the defaults."""
        config = self._config()
        local = {each.name for each in config.platforms.values() if each.type == "local"}
        named = [
            each
            for each in config.flows.values()
            if each.platform in local and each.saved_item_id == flow.id
        ]
        times = [each.time_limit for each in named if each.time_limit is not None]
        memories = [each.memory for each in named if each.memory is not None]
        return (times or [flow.time_limit or DEFAULT_TIME_LIMIT_SECONDS])[0], (
            memories or [flow.memory or DEFAULT_MEMORY_BYTES]
        )[0]

    def _files(
        self, connection: Connection, flow: LocalFlow, run: LocalRun
    ) -> dict[str, list[tuple[str, str, int]]]:
        """Return the uploaded files that the run's inputs name, each one or a list of them."""
        wanted = [one.name for one in flow.inputs if one.kind == "file"]
        inputs = orjson.loads(run.inputs) if wanted else {}
        given = (
            {name: inputs[name] for name in wanted if inputs.get(name) is not None}
            if isinstance(inputs, dict)
            else {}
        )
        named = [
            (name, each)
            for name, value in given.items()
            for each in (value if isinstance(value, list) else [value])
        ]
        if len(named) > MAX_INPUT_FILES:
            raise BridgeError(
                f"the inputs name {len(named)} files; at most {MAX_INPUT_FILES} are allowed"
            )
        found: dict[str, list[tuple[str, str, int]]] = {}
        for name, value in named:
            file = (
                files.find_file(connection, run.user_id, value) if isinstance(value, str) else None
            )
            if file is None:
                raise BridgeError(
                    f"{name}: there is no uploaded file {value!r:.{MAX_SHOWN_NAME_CHARACTERS}}"
                )
            try:
                found.setdefault(name, []).append(
                    (file.name, self._leases.readable_path(run.id, file.sha256), file.size)
                )
            except OSError as error:
                if error.errno in SHORTAGES:
                    raise
                raise BridgeError(
                    f"{name}: the bytes of the uploaded file {value!r} are not on this machine"
                ) from None
        return found
