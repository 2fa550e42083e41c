"""Runs ready-made flows, as the tests of them do."""

from __future__ import annotations

import os
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from bridge.core.local_runs import LocalState, RunResult
from bridge.flows import run_flow
from bridge.flows.ready.catalog import READY_FLOWS

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Env:
    """Sets variables of flowbridge, as `.env` would; none is set at first."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        for name in [name for name in os.environ if name.startswith("FLOWBRIDGE_")]:
            monkeypatch.delenv(name)

    def __call__(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(f"FLOWBRIDGE_{name}", value)


def run(function: Any, tmp_path: Path, /, **inputs: Any) -> RunResult:
    return run_flow(function, inputs, data_dir=tmp_path)


def done(name: str, tmp_path: Path, /, **inputs: Any) -> Any:
    """The outputs of a run that has to go well."""
    result = run(READY_FLOWS[name], tmp_path, **inputs)
    assert result.state is LocalState.DONE, result.log
    return result.outputs


def failed(name: str, tmp_path: Path, /, **inputs: Any) -> str:
    """The last line of the log of a run that has to fail, by an error of ours."""
    result = run(READY_FLOWS[name], tmp_path, **inputs)
    assert result.state is LocalState.FAILED, result.outputs
    assert not re.match(r"\w+Error: ", result.log[-1]), f"unforeseen: {result.log[-1]}"
    return result.log[-1]


def server_context(certificate: Path) -> ssl.SSLContext:
    """What a server with that certificate and key speaks TLS with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
